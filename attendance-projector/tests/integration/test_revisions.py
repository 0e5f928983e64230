"""Which tables a version writes, and which a rebuild may put in place of which."""

from typing import Any

import pytest

from attendance_projector.errors import ReadModelOutdated, RebuildRefused
from attendance_projector.rebuild.adapters.postgres_schemas import open_schemas
from attendance_projector.rebuild.adapters.postgres_switch import PostgresSwitch
from attendance_projector.rebuild.ports import LIVE, NEXT

pytestmark = pytest.mark.integration

IN = "2026-03-02T08:00+05:30"
MIGRATED = "UPDATE attendance.alembic_version SET version_num = $1"


async def test_tables_migrated_during_a_rebuild_are_not_replaced_by_older_ones(plant: Any) -> None:
    async with open_schemas(plant.url) as schemas:
        await schemas.create()

        async def catch_up() -> None:
            copied = f"INSERT INTO {NEXT}.consumed_position SELECT * FROM {LIVE}.consumed_position"  # noqa: S608
            await schemas.connection.execute(copied)

        await plant.sql.execute(MIGRATED, "0002pre1")
        identity = "SELECT oid FROM pg_namespace WHERE nspname = 'attendance'"
        before = await plant.sql.fetchval(identity)
        with pytest.raises(RebuildRefused, match="migrated to 0002pre1 during this rebuild, which made 0001"):
            await PostgresSwitch(schemas).put_in_place(catch_up)
        assert await plant.sql.fetchval(identity) == before
        assert not await schemas.resume()
        with pytest.raises(RebuildRefused, match="rebuild with the version that migrated them"):
            await schemas.create()


async def test_a_version_whose_tables_were_migrated_away_writes_nothing_more(plant: Any) -> None:
    before = await plant.tables("capture", "consumed_position")
    await plant.sql.execute(MIGRATED, "0003pre1")
    with pytest.raises(ReadModelOutdated, match="is at 0003pre1, this version needs 0001"):
        await plant.tell(plant.match("asha", IN))
    assert await plant.tables("capture", "consumed_position") == before
