"""Every login at every table: read, add, change, remove, empty; and what only owners and superusers may."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from attendance_deploy.access.grants import table_grants
from attendance_deploy.access.postgres import accesses
from attendance_testing.access.certificate_matrix import false_certificates
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome

SERVER = "postgres"
SCHEMA = "attendance"
TABLES = """
SELECT relname, relispartition, (
    SELECT attname FROM pg_attribute
    WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    ORDER BY attnum LIMIT 1
) AS first_column
FROM pg_class WHERE relnamespace = 'attendance'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""
TRIES = {
    "SELECT": "SELECT FROM {table} LIMIT 0",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = {column} WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table}",
}
# Whose answer means that the statement was let through to the table.
_LET_THROUGH = (asyncpg.IntegrityConstraintViolationError, asyncpg.GeneratedAlwaysError)
TEMPORARY = "make: a temporary table"
BEYOND = {
    "make: a table": "CREATE TABLE attendance.more (id int)",
    "make: a table in public": "CREATE TABLE public.more (id int)",
    TEMPORARY: "CREATE TEMPORARY TABLE more (id int)",
    "make: a login": "CREATE ROLE more LOGIN",
    "be: the owner": "SET ROLE attendance_owner",
    "be: the administrator": "SET ROLE postgres",
    "read: files of the server": "SELECT pg_read_file('postgresql.conf')",
    "run: programs": "COPY (SELECT 1) TO PROGRAM 'cat'",
}
OWNER_MAY = {TEMPORARY, "make: a table", "make: a table in public", "be: the owner"}


async def outcomes(installation: Installation) -> AsyncIterator[Outcome]:
    """Try everything as every login; nothing is kept."""
    grants, permissions = table_grants(), installation.permissions
    for name, identity in permissions.identities.items():
        if (access := identity.postgres) is None:
            continue
        # A login may take its own read-only setting back: what it may not do must hold without.
        settings = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(installation.database_url(name), server_settings=settings)
        try:
            for table in await connection.fetch(TABLES):
                of_role = grants.get(access.role or "", {}).get(table["relname"], frozenset())
                for verb, form in TRIES.items():
                    statement = form.format(
                        table=f'{SCHEMA}."{table["relname"]}"', column=f'"{table["first_column"]}"'
                    )
                    may = access.owns is not None or (verb in of_role and not table["relispartition"])
                    did = await _does(connection, statement)
                    yield Outcome(SERVER, name, f"{verb}: {table['relname']}", may, did)
            for what, statement in BEYOND.items():
                may = access.owns is not None and what in OWNER_MAY
                may = may or (what == TEMPORARY and access.temporary)
                yield Outcome(SERVER, name, what, may, await _does(connection, statement))
        finally:
            await connection.close()
        for other, theirs in accesses(permissions).items():
            url = installation.database_url(name, login_of=other)
            yield Outcome(SERVER, name, f"log in: as {theirs.login}", other == name, await _logs_in(url))


async def strangers(installation: Installation, scratch: Path) -> AsyncIterator[Outcome]:
    """Try every login with every other certificate: of another, expired, of another authority, and none."""
    for name in accesses(installation.permissions):
        ca = installation.certificate(name).ca
        shown = false_certificates(installation, name, scratch)
        for what, certificate in shown.items():
            files = f"&sslcert={certificate.cert}&sslkey={certificate.key}" if certificate else ""
            url = installation.database_url(name, tls=f"sslmode=verify-full&sslrootcert={ca}{files}")
            yield Outcome(SERVER, name, what, False, await _logs_in(url))
        plain = installation.database_url(name, tls="sslmode=disable")
        yield Outcome(SERVER, name, "certificate: no TLS at all", False, await _logs_in(plain))
        for other in installation.permissions.identities.keys() - {name}:
            theirs = installation.certificate(other)
            files = f"sslcert={theirs.cert}&sslkey={theirs.key}"
            url = installation.database_url(name, tls=f"sslmode=verify-full&sslrootcert={ca}&{files}")
            yield Outcome(SERVER, name, f"certificate: that of {other}", False, await _logs_in(url))


async def _does(connection: asyncpg.Connection, statement: str) -> bool:
    """Try a statement and take it back; tell whether it was let through."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        # A policy refuses a row that a grant let through.
        return "row-level security" in str(error)
    except _LET_THROUGH:
        return True
    finally:
        await transaction.rollback()
    return True


async def _logs_in(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url)
    except (asyncpg.InvalidAuthorizationSpecificationError, ssl.SSLError, ConnectionError):
        return False
    except asyncpg.ConnectionDoesNotExistError:
        return False  # hung up on, since the server looks at certificates after the handshake of TLS 1.3
    await connection.close()
    return True
