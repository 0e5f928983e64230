"""Tokens for what runs: the demo of a folder, or else the stack of `make up`; only for who is recorded there.

A token for an organisation that nobody recorded is refused by every service; better to hear it here. The
first one, by which ops records an organisation, comes from `local-stack token`.
"""

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from attendance_demo.errors import DemoError, NoDemoRuns
from attendance_demo.running import running_demo
from local_stack.keys.tokens import Role, sign_token
from local_stack.running.stack import Stack
from local_stack.settings import command_for

SHOWN = 5


def token_for_what_runs(folder: Path, roles: Sequence[Role], subject: str, org_id: str) -> str:
    """Sign a token; without an organisation it is the demo's, or the only one that is recorded.

    Raises:
        NoDemoRuns: nothing runs.
        DemoError: the organisation is not recorded, or several are and none was chosen.
    """
    try:
        of_demo = running_demo(folder).org_id
    except NoDemoRuns:
        if not Stack().is_running:
            raise
        stack, of_demo = Stack(), None
    else:
        stack = Stack(folder)
    org_id = org_id or of_demo or ""
    if org_id != of_demo:
        recorded = asyncio.run(recorded_organisations(stack.env.database_url))
        org_id = choose(org_id, recorded, stack.folder)
    return sign_token(stack.folder, roles=roles, subject=subject, organisation=org_id)


def choose(org_id: str, recorded: Sequence[str], folder: Path) -> str:
    """Return the organisation that was asked for, or the only one. Raises DemoError, with what to do."""
    if org_id in recorded:
        return org_id
    if not org_id and len(recorded) == 1:
        return recorded[0]
    known = f"recorded are {', '.join(recorded[:SHOWN])}" if recorded else "none is"
    if not org_id and recorded:
        raise DemoError(f"name the organisation with ORG=...; {known}")
    asked = org_id or "ORGANISATION"
    first = command_for(folder, f"token --role ops --org {shlex.quote(asked)}")
    raise DemoError(
        f"organisation {asked} is not recorded in {folder}; {known}. "
        f"To record it, PUT /v1/directory/organisations/{asked} at ingest with the token of `{first}`"
    )


async def recorded_organisations(owner_url: str) -> list[str]:
    """Return the ids of all organisations of the read model. Raises DemoError when it does not answer."""
    try:
        connection = await asyncpg.connect(owner_url)
    except (OSError, asyncpg.PostgresError) as error:
        raise DemoError(f"which organisations are recorded is not known: {error!r}") from error
    try:
        rows = await connection.fetch("SELECT org_id FROM attendance.organisation ORDER BY org_id")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return []
    finally:
        await connection.close()
    return [str(row["org_id"]) for row in rows]
