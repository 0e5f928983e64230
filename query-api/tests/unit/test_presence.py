from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attendance_schemas.presence import CACHED_FOR, OpenDay, day_field, day_value, read_day
from query_api.attendance.read_presence import read_presence
from query_api.domain.pages import PageRequest
from query_api.domain.scope import Scope
from query_api.domain.time_range import PRESENT_AT_MOST
from query_api.errors import ReadModelUnavailable, UnknownOrganisation

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SCOPE = Scope(org_id="acme")


def day(person: str, hours_ago: float, site: str = "pune", shift: str = "day") -> OpenDay:
    return OpenDay("acme", site, person, date(2026, 3, 2), shift, NOW - timedelta(hours=hours_ago))


class CacheOf:
    """A cache with these open days of acme, or none."""

    def __init__(self, days: Sequence[OpenDay] | None) -> None:
        self._days = days

    async def open_days(self, org_id: str) -> Sequence[OpenDay] | None:
        return self._days if org_id == "acme" else None


async def presence_of(read_model: Any, days: Sequence[OpenDay] | None, **asked: Any) -> Any:
    return await read_presence(
        site_id=asked.get("site"),
        request=PageRequest(limit=asked.get("limit", 100)),
        scope=asked.get("scope", SCOPE),
        read_model=read_model,
        cache=CacheOf(days),
        now=NOW,
    )


async def test_the_cache_counts_people_once_and_forgets_after_16_hours(read_model: Any) -> None:
    days = [
        day("p-2", 3, "goa"),
        day("p-1", 9.5),
        day("p-1", 8.5, shift="split"),
        day("p-3", 16),
        day("p-4", -0.1),
    ]
    found = await presence_of(read_model, days)
    assert [(each.site_id, each.site_name, each.present_count) for each in found.sites] == [
        ("goa", "Goa", 1),
        ("pune", "Pune", 1),
    ]
    assert [(each.person_id, each.display_name, each.open_since) for each in found.people.items] == [
        ("p-1", "P-1", NOW - timedelta(hours=8.5)),
        ("p-2", "P-2", NOW - timedelta(hours=3)),
    ]
    assert [name for name, _ in read_model.asked] == ["presence_names"]


async def test_sites_of_the_token_and_pages_limit_what_the_cache_tells(read_model: Any) -> None:
    days = [day("p-2", 3, "goa"), day("p-1", 2), day("p-3", 2)]
    found = await presence_of(
        read_model, days, scope=Scope(org_id="acme", sites=frozenset({"pune"})), limit=1
    )
    assert [each.site_id for each in found.sites] == ["pune"]
    assert [each.person_id for each in found.people.items] == ["p-1"]
    assert found.people.next_cursor is not None


async def test_without_a_whole_cache_the_read_model_answers(read_model: Any) -> None:
    await presence_of(read_model, None)
    assert [name for name, _ in read_model.asked] == ["presence_counts", "present_people", "organisation"]


async def test_nobody_of_an_organisation_that_is_not_recorded_is_said(read_model: Any) -> None:
    assert (await presence_of(read_model, [])).sites == []
    read_model.recorded = None
    for cached in ([], None):
        with pytest.raises(UnknownOrganisation, match="no organisation acme is recorded"):
            await presence_of(read_model, cached)
    read_model.failure = ReadModelUnavailable("away")
    assert (await presence_of(read_model, [])).sites == []


async def test_without_a_database_presence_is_told_without_names(read_model: Any) -> None:
    read_model.failure = ReadModelUnavailable("away")
    found = await presence_of(read_model, [day("p-1", 1)])
    assert [(each.person_id, each.display_name, each.time_zone) for each in found.people.items] == [
        ("p-1", None, None)
    ]
    assert found.sites[0].present_count == 1


@pytest.mark.parametrize("microseconds", [0, 1, 999_999])
def test_days_come_back_from_the_cache_as_they_were(microseconds: int) -> None:
    kept = OpenDay("acme", "pune", "p:1", date(2026, 3, 2), "day", NOW.replace(microsecond=microseconds))
    field = day_field(kept.person_id, kept.attendance_on, kept.shift_id)
    assert read_day("acme", field, day_value(kept)) == kept


def test_the_cache_keeps_days_for_longer_than_anybody_asks() -> None:
    assert CACHED_FOR > PRESENT_AT_MOST
