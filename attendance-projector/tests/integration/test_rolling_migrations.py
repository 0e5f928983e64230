"""An upgrade by a sample migration: readers never wait behind it; both versions work between its steps."""

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from attendance_projector.errors import ReadModelOutdated
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.store.migrate import migrate, revision_of, steps
from attendance_projector.store.revisions import works_with

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
# A tenth of a second above what a step may wait for a table.
LONGEST_READ_SECONDS = 1.0
# Of attendance_projector/store/migrations/env.py, which only Alembic can import.
MIGRATION_LOCK = 4_203_671
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'attendance.correction_note'::regclass"
ASKS_FOR_LOCK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE query ~ 'advisory_lock' AND datname = current_database() AND pid NOT IN (pg_backend_pid(), $1)
"""
MODULE = """
from pathlib import Path

from attendance_projector.store.migrations.script import run_alone, run_script

revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None


def upgrade():
    {run}(*{names}, folder=Path(__file__).parent)
"""
SAMPLE = {
    "0002pre1": ("run_script", ["ALTER TABLE correction ADD COLUMN note text"]),
    "0002pre2": (
        "run_script",
        ["ALTER TABLE correction ADD CONSTRAINT short_note CHECK (length(note) < 100) NOT VALID"],
    ),
    "0002pre3": (
        "run_alone",
        [
            "DROP INDEX CONCURRENTLY IF EXISTS correction_note",
            "CREATE INDEX CONCURRENTLY correction_note ON correction (org_id, note)",
        ],
    ),
    "0002pre4": ("run_script", ["ALTER TABLE correction VALIDATE CONSTRAINT short_note"]),
    "0002post1": ("run_script", ["ALTER TABLE correction ALTER COLUMN note SET DEFAULT ''"]),
}


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    before = steps()[-1]
    for revision, (run, texts) in SAMPLE.items():
        names = [f"{revision}_{number}.sql" for number in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            (tmp_path / name).write_text(text)
        module = MODULE.format(revision=revision, before=before, run=run, names=names)
        (tmp_path / f"s{revision}.py").write_text(module)
        before = revision
    return tmp_path


@pytest.mark.parametrize("table", ["correction", "person"])
async def test_readers_never_wait_behind_a_migration(plant: Any, sample: Path, table: str) -> None:
    """Behind one that waits for a table that somebody reads, or for the snapshot of who reads another."""
    await plant.tell(plant.addition("asha", f"{DAY}T08:00+05:30"))
    query = "SELECT count(*) FROM attendance.correction"
    long_reader, reader = await asyncpg.connect(plant.url), await asyncpg.connect(plant.url)
    try:
        reading = long_reader.transaction(isolation="repeatable_read")
        await reading.start()
        await long_reader.fetchval(f"SELECT count(*) FROM attendance.{table}")  # noqa: S608
        migrating = asyncio.create_task(migrate(plant.url, more=sample))
        waits = []
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            began = time.monotonic()
            assert await reader.fetchval(query) == 1
            waits.append(time.monotonic() - began)
        assert not migrating.done()
        assert max(waits) < LONGEST_READ_SECONDS
        await reading.rollback()
        await asyncio.wait_for(migrating, 60)
        assert await revision_of(reader) == "0002post1"
        assert await reader.fetchval(IS_VALID)
    finally:
        await long_reader.close()
        await reader.close()


async def test_the_old_version_and_the_new_one_work_between_the_steps(plant: Any, sample: Path) -> None:
    async def punched(day: str, at: str, read_model: Any) -> None:
        record = plant.record(plant.match("asha", f"{day}T{at}+05:30"))
        await plant.projector_on(read_model).apply([record])

    new_version = steps(sample)
    await migrate(plant.url, "pre", more=sample)
    found = await revision_of(plant.sql)
    # The one goes on, and one that starts now works, too; the other may start.
    assert found == "0002pre4"
    assert works_with(new_version, found)
    await punched(DAY, "08:00", plant.read_model)
    async with open_read_model(plant.writer_url) as old_version:
        await punched(DAY, "12:00", old_version)
        await migrate(plant.url, more=sample)
        assert works_with(new_version, "0002post1")
        # From here on the old one writes nothing any more, and says why.
        with pytest.raises(ReadModelOutdated, match="is at 0002post1, this version needs"):
            await punched(DAY, "11:00", old_version)
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


async def test_a_new_version_does_not_start_before_its_pre_steps(plant: Any, sample: Path) -> None:
    await migrate(plant.url, "0002pre3", more=sample)
    found = await revision_of(plant.sql)
    assert found == "0002pre3"
    assert not works_with(steps(sample), found)


async def test_who_waits_for_another_migration_is_in_no_way_of_it(plant: Any, sample: Path) -> None:
    """An index that is made concurrently waits for every older snapshot: nobody waits with one."""
    running = await asyncpg.connect(plant.url)
    try:
        await running.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        waiting = asyncio.create_task(migrate(plant.url, more=sample))
        while not await plant.sql.fetchval(ASKS_FOR_LOCK, running.get_server_pid()):
            assert not waiting.done()
            await asyncio.sleep(0.01)
        await running.execute("SET lock_timeout TO '200ms'")
        await running.execute("CREATE INDEX CONCURRENTLY other_note ON attendance.correction (reason)")
    finally:
        await running.close()
    await asyncio.wait_for(waiting, 60)
    assert await revision_of(plant.sql) == "0002post1"


async def test_migrating_again_goes_on_where_it_was(plant: Any, sample: Path) -> None:
    await migrate(plant.url, "0002pre3", more=sample)
    await migrate(plant.url, more=sample)
    await migrate(plant.url, "pre", more=sample)
    assert await revision_of(plant.sql) == "0002post1"
