"""Time does not leap in tables that nobody followed, whatever the clock of this machine says."""

from datetime import UTC, datetime, timedelta

import pytest

from attendance_projector.errors import TimeLeaps
from attendance_projector.projection.directory.take_back_missed import NoLeap

DAY = timedelta(days=1)
KEPT = 90 * DAY
AS_OF = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def no_leap(as_of: datetime | None = AS_OF) -> NoLeap:
    async def read() -> datetime | None:
        return as_of

    return NoLeap(read, KEPT)


async def test_time_that_was_followed_comes():
    for ticks in ([], [AS_OF + timedelta(minutes=1)], [AS_OF + 44 * DAY], [AS_OF - 400 * DAY]):
        await no_leap().check(ticks)


async def test_tables_that_never_had_a_time_have_missed_nothing():
    await no_leap(None).check([AS_OF])


async def test_a_process_that_was_suspended_compares_before_time_leaps():
    keeper = no_leap()
    keeper.compared(AS_OF)
    with pytest.raises(TimeLeaps) as caught:
        await keeper.check([AS_OF + 45 * DAY, AS_OF])
    assert caught.value.to == AS_OF + 45 * DAY
    keeper.compared(caught.value.to)
    await keeper.check([AS_OF + 45 * DAY, AS_OF])


async def test_a_machine_that_started_with_an_old_clock_compares_when_it_is_right():
    keeper = no_leap()
    keeper.compared(AS_OF - 100 * DAY)
    with pytest.raises(TimeLeaps, match="to 2026-06-10"):
        await keeper.check([AS_OF + 100 * DAY])
