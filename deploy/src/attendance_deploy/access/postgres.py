"""PostgreSQL's logins: who may log in, as a member of which role, by which certificate.

What a role may do with a table stands in the migrations, which `grants.py` reads: a grant is written once.
Here are the roles themselves, the logins, their memberships, the database and who may connect to it.
Names come from `access.yaml` and are plain identifiers; `Permissions` refuses others.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from attendance_deploy.access.permissions import Permissions, PostgresAccess

# Of pg_hba.conf and pg_ident.conf.
MAP = "attendance"
_NAMED = "SELECT FROM pg_roles WHERE rolname = '{role}'"
_WITH_PASSWORD = "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)"  # noqa: S105


class Connection(Protocol):
    """What is asked of a connection; asyncpg's is one."""

    async def execute(self, query: str) -> Any:
        """Run one or several statements."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first value of the first row."""


def accesses(permissions: Permissions) -> Mapping[str, PostgresAccess]:
    """Return the section of each identity that has one."""
    return {name: identity.postgres for name, identity in permissions.identities.items() if identity.postgres}


def role_statements(permissions: Permissions) -> list[str]:
    """Return what an administrator runs, in any database; again it changes nothing."""
    found = accesses(permissions).values()
    return [
        *(_role(role, "NOLOGIN") for role in _roles(permissions)),
        *(_role(access.login, "LOGIN") for access in found),
        *(statement for access in found for statement in _login(access)),
    ]


def database_statements(permissions: Permissions) -> list[str]:
    """Return what an administrator runs in one transaction once the database is there."""
    found, name = accesses(permissions).values(), database_of(permissions)
    logins = ", ".join(access.login for access in found if access.owns is None)
    temporary = ", ".join(access.login for access in found if access.temporary)
    return [
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC, {logins}",
        f"GRANT CONNECT ON DATABASE {name} TO {logins}",
        *([f"GRANT TEMPORARY ON DATABASE {name} TO {temporary}"] if temporary else ()),
    ]


def owner_for_a_while(permissions: Permissions) -> tuple[str, str]:
    """Return what lets an administrator who is no superuser act for the owner, and what takes that back."""
    owner = owner_of(permissions)
    return (
        f"GRANT {owner} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE",
        f"REVOKE {owner} FROM CURRENT_USER",
    )


def database_of(permissions: Permissions) -> str:
    """Return the database that somebody owns."""
    return next(access.owns for access in accesses(permissions).values() if access.owns)


def owner_of(permissions: Permissions) -> str:
    """Return the login that owns it."""
    return next(access.login for access in accesses(permissions).values() if access.owns)


def as_script(permissions: Permissions) -> str:
    """Return a script for psql, as an administrator."""
    name = database_of(permissions)
    create = (
        f"SELECT 'CREATE DATABASE {name} OWNER {owner_of(permissions)}'"  # noqa: S608
        f" WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec"
    )
    before, after = owner_for_a_while(permissions)
    first = ";\n".join((*role_statements(permissions), before))
    rights = ";\n".join(database_statements(permissions))
    return f"{first};\n{create}\nBEGIN;\n{rights};\nCOMMIT;\n{after};\n"


def as_hba(permissions: Permissions) -> str:
    """Return lines of pg_hba.conf: by TLS alone, and who shows a certificate has the login of the map."""
    name = database_of(permissions)
    return "".join(
        f"hostssl {name} {access.login} all cert map={MAP}\n" for access in accesses(permissions).values()
    )


def as_ident(permissions: Permissions) -> str:
    """Return lines of pg_ident.conf: the CN of a certificate, and the login that it may have."""
    return "".join(f"{MAP} {name} {access.login}\n" for name, access in accesses(permissions).items())


async def apply_logins(
    administrator: Connection, permissions: Permissions, *, passwords: Mapping[str, str] | None = None
) -> None:
    """Make roles, logins, memberships and the database.

    passwords: by login, of those that show no certificate.
    """
    for statement in role_statements(permissions):
        await administrator.execute(statement)
    for login, password in (passwords or {}).items():
        statement = await administrator.fetchval(_WITH_PASSWORD, login, password)
        await administrator.execute(statement)
    name, (before, after) = database_of(permissions), owner_for_a_while(permissions)
    await administrator.execute(before)
    try:
        if not await administrator.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await administrator.execute(f"CREATE DATABASE {name} OWNER {owner_of(permissions)}")
        # One call, and so one transaction: nobody is locked out in between.
        await administrator.execute("; ".join(database_statements(permissions)))
    finally:
        await administrator.execute(after)


def _roles(permissions: Permissions) -> list[str]:
    return [access.role for access in accesses(permissions).values() if access.role]


def _role(name: str, kind: str) -> str:
    """Make a role; refuse one that stands above permissions, which only a superuser could change."""
    above = f"{_NAMED.format(role=name)} AND (rolsuper OR rolreplication OR rolbypassrls)"
    away = f"ALTER ROLE {name} NOSUPERUSER NOREPLICATION NOBYPASSRLS"
    return (
        f"DO $$ BEGIN IF NOT EXISTS ({_NAMED.format(role=name)}) THEN CREATE ROLE {name}; END IF;"
        f" IF EXISTS ({above}) THEN RAISE EXCEPTION '{name} stands above permissions: {away}'; END IF;"
        " END $$;"
        f" ALTER ROLE {name} {kind} NOCREATEDB NOCREATEROLE"
    )


def _login(access: PostgresAccess) -> Iterator[str]:
    """Make a login a member of its role and of no other."""
    others = (
        "DO $$ DECLARE other regrole; BEGIN FOR other IN SELECT roleid::regrole FROM pg_auth_members"  # noqa: S608
        f" WHERE member = '{access.login}'::regrole AND roleid <> '{access.role or access.login}'::regrole"
        f" LOOP EXECUTE format('REVOKE %s FROM {access.login}', other); END LOOP; END $$"
    )
    yield others
    if access.role is not None:
        yield f"GRANT {access.role} TO {access.login}"
    read_only = "on" if access.read_only else "off"
    yield f"ALTER ROLE {access.login} SET default_transaction_read_only = {read_only}"
