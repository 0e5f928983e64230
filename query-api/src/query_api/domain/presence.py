"""Who is in, from open days: the same answer as the queries `presence_counts` and `present_people`."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from attendance_schemas.presence import OpenDay
from query_api.domain.rows import PresentPerson, SitePresence
from query_api.domain.time_range import PRESENT_AT_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceNames:
    """Names as the directory has them now: of people, and of sites with the zone that holds there."""

    people: Mapping[str, str | None]
    sites: Mapping[str, tuple[str | None, str | None]]


NO_NAMES = PresenceNames(people={}, sites={})


def present_days(days: Iterable[OpenDay], *, now: datetime, sites: Collection[str] | None) -> list[OpenDay]:
    """Return the open days that make somebody present at `now` at one of the sites; None means any."""
    return [
        day
        for day in days
        if now - PRESENT_AT_MOST < day.open_since <= now and (sites is None or day.site_id in sites)
    ]


def people_per_site(days: Iterable[OpenDay]) -> dict[str, int]:
    """Return how many people are in at each site, in the order of site_id; nobody counts twice at one."""
    people = defaultdict(set)
    for day in days:
        people[day.site_id].add(day.person_id)
    return {site_id: len(people[site_id]) for site_id in sorted(people)}


def page_of_people(days: Iterable[OpenDay], *, after: str | None, limit: int) -> list[OpenDay]:
    """Return one open day of each person, the newest, in the order of person_id."""
    newest: dict[str, OpenDay] = {}
    for day in days:
        if after is None or day.person_id > after:
            known = newest.get(day.person_id)
            if known is None or _order(day) > _order(known):
                newest[day.person_id] = day
    return [newest[person_id] for person_id in sorted(newest)[:limit]]


def _order(day: OpenDay) -> tuple[object, ...]:
    return day.open_since, day.attendance_on, day.shift_id


def named_sites(counts: Mapping[str, int], names: PresenceNames) -> list[SitePresence]:
    """Return the counts with the names of their sites."""
    return [
        SitePresence(
            site_id=site_id, site_name=names.sites.get(site_id, (None, None))[0], present_count=count
        )
        for site_id, count in counts.items()
    ]


def named_people(days: Sequence[OpenDay], names: PresenceNames) -> list[PresentPerson]:
    """Return the people with their names and those of their sites."""
    people = []
    for day in days:
        site_name, time_zone = names.sites.get(day.site_id, (None, None))
        people.append(
            PresentPerson(
                person_id=day.person_id,
                display_name=names.people.get(day.person_id),
                site_id=day.site_id,
                site_name=site_name,
                time_zone=time_zone,
                open_since=day.open_since,
            )
        )
    return people
