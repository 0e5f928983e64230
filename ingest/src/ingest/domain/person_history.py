"""What held of a person before: a new record takes it over, so that the past stays as it was.

Home site, default shift and employment hold from a local date on, a badge from an instant on. A record says
all of it: the newest one is enough to know who had which badge when, and which shift on which date.
"""

from datetime import date
from typing import Any

from msgspec import structs

from attendance_schemas.events import FormerBadge, PersonRecorded, PersonTerms
from ingest.errors import FieldError

TERMS = ("home_site_id", "default_shift_id", "joined_on", "left_on", "active")
# Some years of a change every day. Who works in shifts has roster entries.
MOST_CHANGES = 1000


def with_history(
    person: PersonRecorded, recorded: PersonRecorded | None, effective_on: date | None, today: date
) -> PersonRecorded:
    """Return the record of a person with what held before it.

    recorded: what stands there until now; None: nothing, and the new record has always held. effective_on:
    the local date from which the new terms hold, in the place of all that was recorded for later dates; None:
    `today`. Raises FieldError.
    """
    if effective_on is not None and effective_on > today:
        raise FieldError(
            "effective_on", f"{effective_on} is after {today}, which is today there; send it when it has come"
        )
    if recorded is None:
        return person
    earlier = _earlier(person, recorded, effective_on or today)
    badges = recorded.former_badges
    if recorded.badge is not None and recorded.badge != person.badge:
        badges = (*badges, FormerBadge(badge=recorded.badge, held_until=person.occurred_at))
    for name, changes in (("effective_on", earlier), ("badge", badges)):
        if len(changes) > MOST_CHANGES:
            raise FieldError(name, f"changed more than {MOST_CHANGES} times; give shifts by roster entries")
    return structs.replace(person, earlier=earlier, former_badges=badges)


def default_shift_on(person: PersonRecorded, on: date) -> str | None:
    """Return the default shift of a person on a local date."""
    for terms in person.earlier:
        if on < terms.replaced_on:
            return terms.default_shift_id
    return person.default_shift_id


def _earlier(person: PersonRecorded, recorded: PersonRecorded, on: date) -> tuple[PersonTerms, ...]:
    """Cut what is recorded at a date, from which other terms hold."""
    kept = tuple(terms for terms in recorded.earlier if terms.replaced_on < on)
    cut: PersonRecorded | PersonTerms = recorded
    if len(kept) < len(recorded.earlier):
        cut = recorded.earlier[len(kept)]
    if _fields(cut) == _fields(person):
        return kept
    return (*kept, PersonTerms(replaced_on=on, **_fields(cut)))


def _fields(terms: PersonRecorded | PersonTerms) -> dict[str, Any]:
    return {name: getattr(terms, name) for name in TERMS}
