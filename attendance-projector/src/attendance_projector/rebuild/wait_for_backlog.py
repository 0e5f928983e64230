"""Wait until the live tables have computed all days that wait: before that, they differ from rebuilt ones."""

import asyncio
from datetime import timedelta

from attendance_projector.errors import RebuildRefused
from attendance_projector.rebuild.ports import Progress, Schemas

LOOKS_EVERY = timedelta(seconds=0.1)
# So long without anything being computed means that nobody does.
PATIENCE = timedelta(seconds=60)


async def wait_for_backlog(schemas: Schemas, progress: Progress, patience: timedelta = PATIENCE) -> None:
    """Return when nothing waits. Raises RebuildRefused when nobody computes what waits."""
    clock = asyncio.get_running_loop().time
    left, since = await schemas.backlog(), clock()
    if left:
        progress.note(f"{left} spans of days wait in the live tables; they are compared when computed")
    while left:
        await asyncio.sleep(LOOKS_EVERY.total_seconds())
        before, left = left, await schemas.backlog()
        if left != before:
            since = clock()
        elif clock() - since > patience.total_seconds():
            raise RebuildRefused(
                f"{left} spans of days wait in the live tables, and nobody has computed any for "
                f"{patience.total_seconds():.0f} s; see that an attendance-projector runs, then run it "
                "again: it goes on where it is"
            )


async def name_set_aside(schemas: Schemas, progress: Progress, schema: str) -> None:
    """Say of which organisations days cannot be computed, and how they are computed again."""
    for org_id, count in (await schemas.set_aside(schema)).items():
        table = f"{schema}.stale_span"
        progress.note(
            f"{count} spans of days of organisation {org_id} cannot be computed; `refused` in {table} says "
            f"why. Mend the fact that it names, then set `refused` to NULL where org_id is {org_id}"
        )
