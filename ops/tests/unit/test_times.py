from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from attendance_ops.errors import WrongSelection
from attendance_ops.log.times import duration_of, instant_of, span
from attendance_ops.see.trace import since_of

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=ZoneInfo("Asia/Kolkata"))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("08:00", datetime(2026, 11, 30, 2, 30, tzinfo=UTC)),
        ("10:00", datetime(2026, 11, 29, 4, 30, tzinfo=UTC)),
        ("2026-11-29", datetime(2026, 11, 28, 18, 30, tzinfo=UTC)),
        ("2026-11-30T08:00", datetime(2026, 11, 30, 2, 30, tzinfo=UTC)),
        ("2026-11-30T08:00Z", datetime(2026, 11, 30, 8, 0, tzinfo=UTC)),
        ("90m", datetime(2026, 11, 30, 2, 0, tzinfo=UTC)),
        ("2d ago", datetime(2026, 11, 28, 3, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_meant_in_the_zone_of_the_machine(text: str, instant: datetime) -> None:
    assert instant_of(text, NOW) == instant


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "8", "2026-13-01", "-5m", "9" * 12 + "d", "9" * 5000 + "s", "0001-01-01"]
)
def test_what_reads_as_no_time_says_what_to_write(text: str) -> None:
    with pytest.raises(WrongSelection, match="write 08:00"):
        instant_of(text, NOW)


def test_a_span_has_its_two_largest_units() -> None:
    assert span(timedelta(days=2, hours=3, minutes=4)) == "2 d 3 h"
    assert span(timedelta(minutes=4, seconds=5)) == "4 min 5 s"
    assert span(timedelta()) == "0 s"


@pytest.mark.parametrize(
    "fact_id", ["ffffffff-ffff-7fff-bfff-ffffffffffff", "6d1f8a32-7c1f-4b7e-9d2c-6b8f5c1e2a3b"]
)
def test_an_id_that_says_no_time_asks_for_one(fact_id: str) -> None:
    with pytest.raises(WrongSelection, match="say --from"):
        since_of(UUID(fact_id))


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90 s", 90), ("10m", 600), ("2h", 7200), ("7d", 604_800)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert duration_of(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10m ago", "-1h", "1.5h", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(WrongSelection, match="no duration"):
        duration_of(text)
