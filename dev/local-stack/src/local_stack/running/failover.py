"""A failover of PostgreSQL: the primary is killed, and its standby takes its place and its port.

The standby is asynchronous, as many are in production: what the primary committed and the standby had not
received is gone. `hold_back` cuts its link, so that it certainly lacks something.
"""

import asyncio
import shutil

from local_stack.running.stack import Stack
from local_stack.running.state import StackState, load_state
from local_stack.services.postgres import Postgres, PostgresStandby, connected
from local_stack.services.postgres_home import home_folder

POLL_SECONDS = 0.05
PROMOTED_WITHIN_SECONDS = 60


class Failover:
    """One failover of the PostgreSQL of a stack, step by step; all calls block."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def standby_port(self) -> int:
        """Where the standby answers, also as the new primary until it is in place."""
        return self._state.ports[PostgresStandby.name]

    def start_standby(self) -> None:
        """Copy the primary and follow it."""
        self._stack.start_service(PostgresStandby.name)

    def hold_back(self) -> None:
        """Cut the link to the primary: from now on the standby receives nothing."""
        asyncio.run(_hold_back(self.standby_port, self._state.secrets["postgres"]))

    def kill_primary(self) -> None:
        """End the primary and all its connections as a power cut would."""
        self._stack.stop_service(Postgres.name, kill=True)

    def promote(self) -> None:
        """Let the standby accept writes, on its own port: nobody knows it yet."""
        asyncio.run(_promote(self.standby_port, self._state.secrets["postgres"]))

    def take_place(self) -> None:
        """Let the promoted server take the primary's port; the old primary's data is gone."""
        self._stack.stop_service(PostgresStandby.name)
        home = home_folder(self._stack.folder)
        shutil.rmtree(home / "primary")
        (home / "standby").rename(home / "primary")
        self._stack.start_service(Postgres.name)

    @property
    def _state(self) -> StackState:
        state = load_state(self._stack.folder)
        if state is None:
            raise LookupError(f"there is no stack in {self._stack.folder}")
        return state


async def _hold_back(port: int, password: str) -> None:
    async with connected(port, password) as connection:
        await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        await connection.execute("SELECT pg_reload_conf()")
        while await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver"):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)


async def _promote(port: int, password: str) -> None:
    async with connected(port, password) as connection:
        await connection.fetchval("SELECT pg_promote(true, $1)", PROMOTED_WITHIN_SECONDS)
