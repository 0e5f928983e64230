"""Who holds a badge of an organisation, now and at an instant of the past.

A badge is of one person. Two processes can record it for two people at once, since neither sees the other's
record yet. Then the order of the topic decides, the same in every process: of the people whose newest record
names a badge, the one who has named it longest holds it, and the records of others count without it: they are
written once more without it.
"""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from msgspec import structs

from attendance_schemas.events import Event, FormerBadge, PersonRecorded
from attendance_schemas.identity import deterministic_id
from service_kit.views.spread_dict import SpreadDict


@dataclass(slots=True)
class Badges:
    """What the records of people say about badges. `move` in the order of the topic."""

    contested: set[tuple[str, str]] = field(default_factory=set)
    """Badges, by organisation, that the records of several people name."""
    # Whose record names a badge, the holder first; and who had it until when.
    _claims: MutableMapping[tuple[str, str], list[str]] = field(default_factory=SpreadDict)
    _held_until: dict[tuple[str, str], list[tuple[datetime, str]]] = field(default_factory=dict)

    def move(self, before: Event | None, now: Event | None) -> None:
        """Take in that a record took the place of another; those that are not of people say nothing."""
        self._move_claim(_claim_of(before), _claim_of(now))
        for person_id, org_id, badge in _former_of(before):
            self._held_until[org_id, badge.badge].remove((badge.held_until, person_id))
        for person_id, org_id, badge in _former_of(now):
            holders = self._held_until.setdefault((org_id, badge.badge), [])
            holders.append((badge.held_until, person_id))
            holders.sort()

    def _move_claim(self, before: "_Claim | None", now: "_Claim | None") -> None:
        if before == now:  # a claim that stays keeps its place
            return
        if before is not None:
            self._claims[before.badge].remove(before.person_id)
        if now is not None:
            self._claims.setdefault(now.badge, []).append(now.person_id)
        for claim in (before, now):
            if claim is not None and len(self._claims[claim.badge]) > 1:
                self.contested.add(claim.badge)
            elif claim is not None:
                self.contested.discard(claim.badge)

    def who_name(self, org_id: str, badge: str) -> Sequence[str]:
        """Return whose records name a badge, the holder first."""
        return self._claims.get((org_id, badge), ())

    def holder(self, org_id: str, badge: str) -> str | None:
        """Return who holds a badge."""
        return next(iter(self.who_name(org_id, badge)), None)

    def holder_at(self, org_id: str, badge: str, at: datetime) -> str | None:
        """Return who held a badge at an instant: whoever had it first after that, when nobody had it then."""
        former = self._held_until.get((org_id, badge), ())
        held = (person_id for until, person_id in former if at < until)
        return next(held, None) or self.holder(org_id, badge)


def without_badge(person: PersonRecorded) -> PersonRecorded:
    """Return the record of somebody whose badge is another's, as it counts: the same in every process."""
    return structs.replace(
        person, badge=None, event_id=deterministic_id("PersonRecorded", person.event_id, "without-badge")
    )


class _Claim(NamedTuple):
    badge: tuple[str, str]
    person_id: str


def _claim_of(event: Event | None) -> _Claim | None:
    if not isinstance(event, PersonRecorded) or event.badge is None:
        return None
    return _Claim((event.org_id, event.badge), event.person_id)


def _former_of(event: Event | None) -> list[tuple[str, str, FormerBadge]]:
    if not isinstance(event, PersonRecorded):
        return []
    return [(event.person_id, event.org_id, badge) for badge in event.former_badges]
