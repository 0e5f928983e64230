"""A rebuild beside facts about many people, and beside days that nobody can compute."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date

import pytest

from attendance_projector.errors import RebuildRefused
from attendance_projector.projection.backlog.put_off import PEOPLE_AT_ONCE
from attendance_projector.rebuild.adapters.postgres_schemas import PostgresSchemas, open_schemas
from attendance_projector.rebuild.rebuild import Rebuild
from attendance_projector.rebuild.report import Options, Report
from attendance_projector.rebuild.run import means_of
from attendance_projector.settings import Settings
from attendance_schemas.topics import CORRECTIONS, DIRECTORY
from attendance_testing.polling import eventually
from attendance_testing.projector.rebuilds import Deployment
from service_kit.archive.whole_log import WholeLog

pytestmark = pytest.mark.integration


class Watched(PostgresSchemas):
    """Counts the days that are computed in the tables of the rebuild while live projectors wait."""

    def __init__(self, schemas: PostgresSchemas, before: Callable[[], Awaitable[None]]) -> None:
        super().__init__(schemas.connection, schemas.url)
        self.computed: list[int] = []
        self._before = before

    @asynccontextmanager
    async def live_stopped(self) -> AsyncIterator[None]:
        await self._before()
        async with super().live_stopped():
            since = await self.connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
            days = await self.connection.fetchval("SELECT 'attendance_next.attendance_day'::regclass::oid")
            try:
                yield
            finally:
                table = await self.connection.fetchval("SELECT $1::oid::regclass::text", days)
                count = f"SELECT count(*) FROM {table} WHERE xmin::text::bigint > $1"  # noqa: S608
                self.computed.append(await self.connection.fetchval(count, since))


class Unfit(PostgresSchemas):
    """Tables of a rebuild that cannot hold the days of one person."""

    async def prepare(self, asked: date | None) -> None:
        await super().prepare(asked)
        await self.connection.execute(
            "ALTER TABLE attendance_next.attendance_day ADD CONSTRAINT nobody CHECK (person_id <> 'p-3')"
        )


class Notes:
    """A `Progress` that keeps what it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, name: str, total: int) -> None:
        pass

    def advance(self, count: int) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


def settings_of(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a rebuild in this process; those that it starts have them, too."""
    for name, value in deployment.environ("rebuild").items():
        monkeypatch.setenv(name, value)
    return Settings()


async def test_the_live_service_never_waits_for_a_fact_about_many_people(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = deployment.plant
    for number in range(2 * PEOPLE_AT_ONCE):
        await deployment.publish(plant.person(f"q-{number}", "day"), DIRECTORY)
    await deployment.live_is_even()
    # Twice just before the live service is stopped: to compare, and to switch.
    hours = [9, None, 10]

    async def another_shift() -> None:
        if hours and (hour := hours.pop(0)) is not None:
            await deployment.publish(plant.shift("day", hour, 17), DIRECTORY)
            await deployment.live_is_even()

    settings, report = settings_of(deployment, monkeypatch), Report()
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        watched = Watched(schemas, another_shift)
        await Rebuild(
            means_of(settings, watched, WholeLog(settings.kafka)), Options(workers=2), Notes(), report
        ).run()
    assert not any(watched.computed), watched.computed
    # Each time it went on at once, and was stopped again when the days were computed.
    assert len(watched.computed) >= 4
    assert (hours, report.differences, report.is_switched) == ([], [], True)
    assert await deployment.tables() == await deployment.tables("attendance_previous")


async def test_days_that_nobody_can_compute_hold_no_rebuild_up(deployment: Deployment) -> None:
    await deployment.sql.execute(
        "INSERT INTO stale_span (org_id, person_id, first_on, last_on, refused)"
        " VALUES ('org', 'p-3', '2026-03-20', '2026-03-21', 'a rule of an earlier version')"
    )
    lock = deployment.plant.lock(date(2026, 3, 20), date(2026, 3, 31))
    await deployment.publish(lock, CORRECTIONS)
    await eventually(lambda: deployment.sql.fetchval("SELECT count(*) FROM untold_lock"))
    code, lines, errors = await deployment.rebuild()
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    notes = [line["note"] for line in lines if "note" in line]
    assert any("1 spans of days of organisation org cannot be computed" in note for note in notes), notes
    # The rebuilt tables have these days, so nothing holds the lock up any more.
    in_force = "SELECT in_force FROM period_lock WHERE lock_id = $1"
    await eventually(lambda: deployment.sql.fetchval(in_force, lock.lock_id))


async def test_a_person_whose_days_cannot_be_computed_stops_no_rebuild(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, report, heard = settings_of(deployment, monkeypatch), Report(), Notes()
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        means = means_of(settings, Unfit(schemas.connection, schemas.url), WholeLog(settings.kafka))
        with pytest.raises(RebuildRefused, match="nothing was switched"):
            await Rebuild(means, Options(workers=2), heard, report).run()
        assert any(
            "organisation org cannot be computed; `refused` in attendance_next.stale_span" in each
            for each in heard.notes
        )
        days = [each for each in report.differences if each.table == "attendance_day"]
        missing = sum(each.live_rows - each.rebuilt_rows for each in days)
        of_p_3 = "SELECT count(*) FROM attendance.attendance_day WHERE person_id = 'p-3'"
        assert missing == await schemas.connection.fetchval(of_p_3) > 0
        # As the note says, once the cause is gone.
        await schemas.connection.execute("ALTER TABLE attendance_next.attendance_day DROP CONSTRAINT nobody")
        await schemas.connection.execute("UPDATE attendance_next.stale_span SET refused = NULL")
        again = Report()
        await Rebuild(
            means_of(settings, schemas, WholeLog(settings.kafka)), Options(workers=2), Notes(), again
        ).run()
    assert (again.differences, again.is_switched) == ([], True)
