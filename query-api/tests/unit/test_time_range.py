from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.domain.time_range import (
    InstantRange,
    date_range,
    instant_of,
    instant_range,
    likely_range,
)
from query_api.errors import InvalidRange

INSTANT = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)


def uuid7(milliseconds: int, rest: int = 0) -> UUID:
    return UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | rest)


def test_dates_are_inclusive_and_at_most_366() -> None:
    assert date_range(date(2026, 3, 1), date(2026, 3, 1)).last_on == date(2026, 3, 1)
    date_range(date(2024, 1, 1), date(2024, 12, 31))
    with pytest.raises(InvalidRange, match="367 days"):
        date_range(date(2024, 1, 1), date(2025, 1, 1))
    with pytest.raises(InvalidRange, match="before"):
        date_range(date(2026, 3, 2), date(2026, 3, 1))


def test_instants_become_utc_and_are_at_most_93_days() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    found = instant_range(datetime(2026, 3, 2, 8, 0, tzinfo=india), datetime(2026, 3, 2, 9, 0, tzinfo=india))
    assert found == InstantRange(INSTANT, INSTANT + timedelta(hours=1))
    with pytest.raises(InvalidRange, match="not after"):
        instant_range(INSTANT, INSTANT)
    with pytest.raises(InvalidRange, match="93 days"):
        instant_range(INSTANT, INSTANT + timedelta(days=93, seconds=1))


def test_a_cursor_narrows_the_range_and_keeps_its_own_row() -> None:
    dates = date_range(date(2026, 1, 1), date(2026, 3, 1))
    assert dates.starting_at(date(2026, 2, 1)).first_on == date(2026, 2, 1)
    assert dates.starting_at(date(2025, 2, 1)) == dates
    instants = instant_range(INSTANT, INSTANT + timedelta(hours=2))
    narrowed = instants.until(INSTANT + timedelta(hours=1))
    assert narrowed.ends_at == INSTANT + timedelta(hours=1, microseconds=1)
    assert instants.until(INSTANT + timedelta(days=1)) == instants


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**62 - 1))
def test_any_uuid7_gives_an_instant_or_none(milliseconds: int, rest: int) -> None:
    instant = instant_of(uuid7(milliseconds, rest))
    if instant is not None:
        assert instant == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    likely_range(uuid7(milliseconds, rest))


def test_the_id_says_where_to_look() -> None:
    capture_id = uuid7(int(INSTANT.timestamp() * 1000))
    assert likely_range(capture_id) == InstantRange(INSTANT - timedelta(days=35), INSTANT + timedelta(days=2))


def test_other_ids_say_nothing() -> None:
    assert instant_of(UUID("6ba7b810-9dad-41d1-80b4-00c04fd430c8")) is None
    assert likely_range(UUID(int=0)) is None


@pytest.mark.parametrize("milliseconds", [2**48 - 1, 253_402_300_799_999])
def test_ids_beyond_the_calendar_say_nothing(milliseconds: int) -> None:
    assert likely_range(uuid7(milliseconds)) is None
