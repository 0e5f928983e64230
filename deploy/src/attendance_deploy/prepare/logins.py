"""PostgreSQL's logins, the database and the replica's slot: what only a superuser can make.

Who gets which login is in the permissions, what a role may do with tables in the migrations. Nobody but this
step logs in as the superuser.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from attendance_deploy.access.permissions import read_permissions
from attendance_deploy.access.postgres import accesses, apply_logins
from attendance_deploy.errors import ServerAway
from attendance_deploy.prepare import addresses
from attendance_deploy.prepare.certificates import client_context
from attendance_deploy.prepare.secret_files import read_secret
from attendance_deploy.prepare.secrets import REPLICATOR, SUPERUSER

SLOT = "attendance_replica"
ANSWER_WITHIN_SECONDS = 10.0
AWAY = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
# What this step may change, but passwords: what it is, and how it is.
STATE = """
SELECT format('role %s', rolname) AS what,
       ROW(rolcanlogin, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconfig)::text AS how
  FROM pg_roles
UNION ALL SELECT format('%s a member of %s', member::regrole, roleid::regrole), '' FROM pg_auth_members
UNION ALL SELECT format('database %s', datname), datacl::text FROM pg_database
UNION ALL SELECT format('replication slot %s', slot_name), '' FROM pg_replication_slots
"""


def prepare_logins(root: Path, say: Callable[[str], None]) -> None:
    """Make what is missing, and say it."""
    made = asyncio.run(_make(root))
    for line in made:
        say(line)
    if not made:
        say("nothing to do")


async def _make(root: Path) -> list[str]:
    permissions = read_permissions()
    logins = [access.login for access in accesses(permissions).values()]
    passwords = {login: read_secret(root, f"{login}_password") for login in (*logins, REPLICATOR)}
    trust = client_context(root / "prepare") if addresses.is_tls() else None
    async with connected(SUPERUSER, read_secret(root, f"{SUPERUSER}_password"), trust) as superuser:
        before = await _state(superuser)
        if not await superuser.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", REPLICATOR):
            await superuser.execute(f"CREATE ROLE {REPLICATOR} LOGIN REPLICATION")
        # A password that is set again is stored anew: only one that does not open is set.
        stale = {
            login: each for login, each in passwords.items() if not await _can_log_in(login, each, trust)
        }
        await apply_logins(superuser, permissions, passwords=stale)
        if not await superuser.fetchval("SELECT 1 FROM pg_replication_slots WHERE slot_name = $1", SLOT):
            await superuser.execute("SELECT pg_create_physical_replication_slot($1, true)", SLOT)
        after = await _state(superuser)
    told = [
        f"{'changed' if what in before else 'made'} {what}"
        for what, how in sorted(after.items())
        if before.get(what) != how
    ]
    return [*told, *(f"set the password of {login}" for login in stale)]


async def _state(superuser: asyncpg.Connection) -> dict[str, str]:
    return {row["what"]: str(row["how"]) for row in await superuser.fetch(STATE)}


async def _can_log_in(login: str, password: str, trust: ssl.SSLContext | None) -> bool:
    try:
        async with connected(login, password, trust):
            return True
    except (
        asyncpg.InvalidAuthorizationSpecificationError
    ):  # there is no such role, or it has another password
        return False


@asynccontextmanager
async def connected(
    login: str, password: str, trust: ssl.SSLContext | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """Connect to the primary's own database, by TLS where `trust` says whom to believe. Raises ServerAway."""
    address = addresses.postgres()
    host, _, port = address.rpartition(":")
    try:
        connection = await asyncpg.connect(
            host=host,
            port=int(port),
            user=login,
            password=password,
            database="postgres",
            ssl=trust or False,
            timeout=ANSWER_WITHIN_SECONDS,
        )
    except AWAY as error:
        raise ServerAway(
            f"PostgreSQL does not answer at {address}: {error!r}; start it, then try again"
        ) from error
    try:
        yield connection
    finally:
        await connection.close(timeout=ANSWER_WITHIN_SECONDS)
