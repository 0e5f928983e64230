"""PostgreSQL: a primary with the roles and database of the project, a streaming replica if asked, a standby.

The standby is for failovers: it follows at its own pace; `local_stack.running.failover` lets it take over.
"""

import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.errors import NotReady
from local_stack.files import write_private
from local_stack.keys.certificates import certificate_of
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import StackState
from local_stack.services import Command, StopRule
from local_stack.services.postgres_home import (
    hand_over,
    home_folder,
    programs_folder,
    reachable,
    server_identity,
)
from local_stack.services.tools import run_tool
from local_stack.settings import is_durable

CHECK_SECONDS = 3.0
DATABASE = "attendance"
SLOT = "attendance_replica"
OWNER, REPLICATOR = "attendance_owner", "replicator"
WRITER, FEED, QUERY = "attendance_projector", "attendance_projector_feed", "query_api"
# The groups to which the tables' migration gives its grants, and who logs in as a member of each.
MEMBERS = {"attendance_writer": WRITER, "attendance_feed": FEED, "attendance_reader": QUERY}
ROLES = {
    OWNER: "LOGIN CREATEDB",
    REPLICATOR: "LOGIN REPLICATION",
    **dict.fromkeys(MEMBERS, "NOLOGIN"),
    **dict.fromkeys(MEMBERS.values(), "LOGIN"),
}
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": 200,
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "hot_standby": "on",
    # A standby without a slot, whose link is cut for a while, finds the log again.
    "wal_keep_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Here processes are killed, machines are not: the operating system keeps what was written.
    "fsync": "off",
    "full_page_writes": "off",
}
# Fast shutdown: roll back what is open and end; SIGTERM would wait for the clients.
STOP_RULE = StopRule(signal=signal.SIGINT)


@asynccontextmanager
async def connected(port: int, password: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as the superuser over loopback; whatever the server refuses becomes NotReady."""
    try:
        connection = await asyncpg.connect(
            host=LOOPBACK,
            port=port,
            user="postgres",
            password=password,
            database="postgres",
            ssl=False,
            timeout=CHECK_SECONDS,
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=CHECK_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReady(f"PostgreSQL does not answer: {error}") from error


# Of a secured stack: administrator and standby by password, all others by TLS with a certificate. Which name
# may have which login says the map, which is `ident_file`; who secures the stack writes it.
HBA = """\
host all postgres 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 cert map=attendance
"""


def ident_file(stack: Path) -> Path:
    """Return the file that says, in a secured stack, which CN may have which login."""
    return home_folder(stack) / "pg_ident.conf"


def _security(stack: Path) -> Mapping[str, object]:
    """Write what the server's user can read, and return the settings."""
    home, ours = home_folder(stack), certificate_of(stack, "postgres")
    for name, source in {"server.crt": ours.cert, "server.key": ours.key, "ca.crt": ours.ca}.items():
        write_private(home / name, source.read_text())
        hand_over(home / name)
    (home / "pg_hba.conf").write_text(HBA)
    ident_file(stack).touch()
    return {
        "ssl": "on",
        "ssl_cert_file": home / "server.crt",
        "ssl_key_file": home / "server.key",
        "ssl_ca_file": home / "ca.crt",
        "hba_file": home / "pg_hba.conf",
        "ident_file": ident_file(stack),
    }


def _server(data: Path, port: int, programs: Path, more: Mapping[str, object]) -> Command:
    settings = {**SETTINGS, "port": port, **more}
    if is_durable():
        settings |= {"fsync": "on", "full_page_writes": "on"}
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    return Command(
        argv=(str(programs / "postgres"), "-D", str(data), *options),
        folder=data,
        identity=server_identity(),
    )


def _command(state: StackState, stack: Path, cache: ArtifactCache, data: Path, port: int) -> Command:
    if state.secure:
        return _server(data, port, reachable(cache.tls_postgres) / "bin", _security(stack))
    return _server(data, port, programs_folder(), {})


class Postgres:
    """The primary."""

    name = "postgres"
    after: tuple[str, ...] = ()
    stop_rule = STOP_RULE

    def __init__(self, *, state: StackState, folder: Path, cache: ArtifactCache) -> None:
        self._port = state.ports["postgres"]
        self.ports = (self._port,)
        self._state = state
        self._stack = folder
        self._cache = cache

    @property
    def _data(self) -> Path:
        return home_folder(self._stack) / "primary"

    async def prepare(self) -> None:
        """Make the cluster of databases at the first start."""
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)
        # initdb leaves PG_VERSION early; only a finished folder gets the final name.
        scratch = self._data.with_name("primary.new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        hand_over(scratch)
        password = self._data.with_name("password.new")
        write_private(password, self._state.secrets["postgres"])
        hand_over(password)
        try:
            await run_tool(
                Command(
                    argv=(
                        str(programs_folder() / "initdb"),
                        *("-D", str(scratch), "-U", "postgres", f"--pwfile={password}", "-E", "UTF8"),
                        *("--auth=scram-sha-256", "--no-sync", "--no-instructions"),
                        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                    ),
                    folder=scratch,
                    identity=server_identity(),
                )
            )
        finally:
            password.unlink()
        scratch.rename(self._data)

    def command(self) -> Command:
        """Say what to start."""
        return _command(self._state, self._stack, self._cache, self._data, self._port)

    async def check(self) -> None:
        """Log in."""
        async with connected(self._port, self._state.secrets["postgres"]):
            pass

    async def finish(self) -> None:
        """Create the roles, the database and, when there is a replica, its slot."""
        async with connected(self._port, self._state.secrets["postgres"]) as connection:
            for role, options in ROLES.items():
                await self._ensure_role(connection, role, options)
            for group, login in MEMBERS.items():
                await connection.execute(f"GRANT {group} TO {login}")
            await connection.execute(f"ALTER ROLE {QUERY} SET default_transaction_read_only = on")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
            await self._ensure_slot(connection)

    async def _ensure_role(self, connection: asyncpg.Connection, role: str, options: str) -> None:
        known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        statement = await connection.fetchval(
            "SELECT format('%s ROLE %I %s PASSWORD %L', $1::text, $2::text, $3::text, $4::text)",
            "ALTER" if known else "CREATE",
            role,
            options,
            self._state.secrets.get(role),
        )
        await connection.execute(statement)

    async def _ensure_slot(self, connection: asyncpg.Connection) -> None:
        known = await connection.fetchval("SELECT 1 FROM pg_replication_slots WHERE slot_name = $1", SLOT)
        if self._state.replica and not known:
            await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", SLOT)
        elif known and not self._state.replica:
            # A slot without its replica keeps every log segment for ever.
            await connection.execute("SELECT pg_drop_replication_slot($1)", SLOT)


class PostgresReplica:
    """A streaming replica of the primary, read only."""

    name = "postgres-replica"
    after: tuple[str, ...] = ("postgres",)
    stop_rule = STOP_RULE
    _folder = "replica"
    _slot: tuple[str, ...] = ("-S", SLOT)

    def __init__(self, *, state: StackState, folder: Path, cache: ArtifactCache) -> None:
        self._port = state.ports[self.name]
        self.ports = (self._port,)
        self._state = state
        self._stack = folder
        self._cache = cache

    @property
    def _data(self) -> Path:
        return home_folder(self._stack) / self._folder

    async def prepare(self) -> None:
        """Copy the primary at the first start."""
        if self._data.exists():
            return
        scratch = self._data.with_name(f"{self._folder}.new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        hand_over(scratch)
        await run_tool(
            Command(
                argv=(
                    str(programs_folder() / "pg_basebackup"),
                    *("-h", LOOPBACK, "-p", str(self._state.ports["postgres"]), "-U", REPLICATOR),
                    *("-D", str(scratch), "-R", *self._slot, "-X", "stream", "-c", "fast", "--no-sync"),
                ),
                folder=scratch,
                environ={"PGPASSWORD": self._state.secrets[REPLICATOR]},
                identity=server_identity(),
            )
        )
        scratch.rename(self._data)

    def command(self) -> Command:
        """Say what to start."""
        return _command(self._state, self._stack, self._cache, self._data, self._port)

    async def check(self) -> None:
        """Log in, and see that the log streams in."""
        async with connected(self._port, self._state.secrets["postgres"]) as connection:
            status = await connection.fetchval("SELECT status FROM pg_stat_wal_receiver")
        if status != "streaming":
            raise NotReady(f"the replica does not stream: {status}")

    async def finish(self) -> None:
        """Everything comes from the primary."""


class PostgresStandby(PostgresReplica):
    """An asynchronous standby that may take the primary's place; starts on demand, from a new copy."""

    name = "postgres-standby"
    _folder = "standby"
    _slot = ()

    async def prepare(self) -> None:
        """Copy the primary, whatever was here before."""
        shutil.rmtree(self._data, ignore_errors=True)
        await super().prepare()
