"""Time is recorded where the log agrees with it, and where it does not, somebody is told."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from attendance_projector.errors import ClocksApart
from attendance_projector.projection.apply_records import check_event
from attendance_projector.projection.tick_clock import reset_clock, tick_clock, tick_of
from attendance_schemas.events import ClockTicked
from service_kit.kafka.records import Record

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BEHIND = timedelta(minutes=5, seconds=1)


class Log:
    """A log whose own time is behind; it stops the clock after a tick."""

    def __init__(self, behind: timedelta) -> None:
        self.ticks: list[ClockTicked] = []
        self.stopping = asyncio.Event()
        self._behind = behind

    async def publish(self, tick: ClockTicked) -> datetime:
        self.ticks.append(tick)
        self.stopping.set()
        return tick.occurred_at - self._behind

    async def as_of(self) -> datetime | None:
        return None


@pytest.mark.parametrize(("behind", "is_told"), [(BEHIND, True), (timedelta(minutes=5), False)])
async def test_a_clock_that_stands_still_is_told(behind, is_told):
    log = Log(behind)
    with capture_logs() as lines:
        await tick_clock(log, log, log.stopping, interval=timedelta(hours=1), now=lambda: NOW)
    told = [line for line in lines if line["log_level"] == "error"]
    assert len(log.ticks) == 1
    assert bool(told) == is_told
    assert all(line["broker"] == "2026-03-02T07:54:59+00:00" for line in told)


async def test_a_reset_that_no_projector_takes_is_no_success():
    log = Log(BEHIND)
    with pytest.raises(
        ClocksApart, match="it is 2026-03-02 08:00:00 UTC here and 2026-03-02 07:54:59 UTC at"
    ):
        await reset_clock(log, NOW, "ops", "a broker was ahead")


async def test_a_reset_by_a_machine_that_is_behind_is_no_success():
    with pytest.raises(
        ClocksApart, match="it is 2026-03-02 08:00:00 UTC here and 2027-03-02 08:00:00 UTC at"
    ):
        await reset_clock(Log(timedelta(days=-365)), NOW, "ops", "a broker was ahead")
    await reset_clock(Log(timedelta(minutes=-5)), NOW, "ops", "a broker was ahead")


@pytest.mark.parametrize("log_time", [NOW + timedelta(minutes=5, seconds=1), NOW + timedelta(days=365)])
def test_a_reset_that_comes_late_or_once_more_takes_no_time_back(log_time):
    tick = tick_of(NOW)
    reset = replace(tick, reset_by="ops", reason="a broker was ahead")
    record = Record("attendance.clock", 0, 0, b"clock", b"", (), log_time)
    assert check_event(record, reset).slug == "reset-late"
    assert check_event(record, tick) is None  # an old tick changes nothing by itself
    assert check_event(dataclasses.replace(record, timestamp=NOW), reset) is None


async def test_a_reset_says_who_and_why():
    log = Log(timedelta(0))
    await reset_clock(log, NOW, "ops", "a broker was ahead")
    (tick,) = log.ticks
    assert (tick.occurred_at, tick.reset_by, tick.reason) == (NOW, "ops", "a broker was ahead")
