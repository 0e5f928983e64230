"""The directory as it is now: the newest record of every key, and what a new record must fit.

An id is its organisation's own, as the keys of the topic are: nothing here depends on other organisations.

A badge is of one person. Two processes can record it for two people at once, since neither sees the other's
record yet. Then the order of the topic decides, the same in every process: of the people whose newest record
names a badge, the one who has named it longest holds it, and the records of others count without it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from attendance_schemas.events import (
    DeviceRecorded,
    Event,
    HolidayRecorded,
    LeaveRecorded,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
    to_fields,
)
from attendance_schemas.topics import DIRECTORY
from ingest.errors import FieldError

E = TypeVar("E", bound=Event)
# What differs between two records that say the same.
CIRCUMSTANCES = ("event_id", "occurred_at", "recorded_at", "authority")


@dataclass(slots=True)
class DirectoryView:
    """The newest record of every key. `apply` in the order of the topic."""

    records: dict[str, Event] = field(default_factory=dict)
    # Keys of the versions of each shift.
    _versions: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    # Whose newest record names a badge of an organisation, the holder first.
    _claims: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def apply(self, key: str, event: Event | None) -> None:
        """Take a record in, or forget its key (None)."""
        previous = self.records.pop(key, None)
        before, now = _claim_of(previous), _claim_of(event)
        if before != now:  # a claim that stays keeps its place
            if before is not None:
                self._claims[before.org_id, before.badge].remove(before.person_id)
            if now is not None:
                self._claims.setdefault((now.org_id, now.badge), []).append(now.person_id)
        if isinstance(previous, ShiftRecorded):
            self._versions[previous.org_id, previous.shift_id].discard(key)
        if event is None:
            return
        self.records[key] = event
        if isinstance(event, ShiftRecorded):
            self._versions.setdefault((event.org_id, event.shift_id), set()).add(key)

    def device(self, org_id: str, device_id: str) -> DeviceRecorded | None:
        """Return a device of this organisation."""
        return self._find(DeviceRecorded, org_id=org_id, device_id=device_id)

    def person(self, org_id: str, person_id: str) -> PersonRecorded | None:
        """Return a person of this organisation."""
        return self._find(PersonRecorded, org_id=org_id, person_id=person_id)

    def person_with_badge(self, org_id: str, badge: str) -> PersonRecorded | None:
        """Return who holds a badge in this organisation."""
        claims = self._claims.get((org_id, badge))
        return self.person(org_id, claims[0]) if claims else None

    def is_in_force(self, event: Event) -> bool:
        """Say whether an event is the newest record of its key."""
        return self.records.get(DIRECTORY.key_of(event).decode()) == event

    def is_without_badge(self, event: PersonRecorded) -> bool:
        """Say whether a record is in force, but names a badge that somebody else holds."""
        return self.is_in_force(event) and bool(self._taken_badge(event))

    def has_site(self, org_id: str, site_id: str) -> bool:
        """Say whether this organisation has this site."""
        return self._find(SiteRecorded, org_id=org_id, site_id=site_id) is not None

    def has_shift(self, org_id: str, shift_id: str) -> bool:
        """Say whether this organisation has any version of this shift."""
        return bool(self._versions.get((org_id, shift_id)))

    def check(self, event: Event) -> list[FieldError]:
        """Return the fields of a new record that refer to nothing, or to what somebody else has."""
        return self._taken_badge(event) + [
            FieldError(name, f"{value} is not recorded in organisation {event.org_id}; record it first")
            for name, value, found in self._references(event)
            if not found
        ]

    def _taken_badge(self, event: Event) -> list[FieldError]:
        if not isinstance(event, PersonRecorded) or event.badge is None:
            return []
        holder = self.person_with_badge(event.org_id, event.badge)
        if holder is None or holder.person_id == event.person_id:
            return []
        message = f"{event.badge} is the badge of {holder.person_id}; take it from them first"
        return [FieldError("badge", message)]

    def same(self, event: Event) -> Event | None:
        """Return the record that already says what this event says."""
        found = self.records.get(DIRECTORY.key_of(event).decode())
        return found if found is not None and _content(found) == _content(event) else None

    def site_of(self, event: Event) -> str | None:
        """Return the site that a new record is about; None when it is about the whole organisation."""
        match event:
            case SiteRecorded() | DeviceRecorded():
                return event.site_id
            case PersonRecorded():
                return event.home_site_id
            case HolidayRecorded() | PolicyRecorded():
                return event.site_id
            case RosterRecorded() | LeaveRecorded():
                person = self.person(event.org_id, event.person_id)
                return person.home_site_id if person else None
            case _:
                return None

    def sites_concerned(self, event: Event) -> list[str | None]:
        """Return the site a new record is about, and the one it was about until now."""
        previous = self.records.get(DIRECTORY.key_of(event).decode())
        return [self.site_of(event)] if previous is None else [self.site_of(event), self.site_of(previous)]

    def _find(self, kind: type[E], **ids: str) -> E | None:
        found = self.records.get(DIRECTORY.events[kind.__name__].format_map(ids))
        return found if isinstance(found, kind) else None

    def _references(self, event: Event) -> list[tuple[str, str, bool]]:
        org_id = event.org_id
        match event:
            case DeviceRecorded():
                return [("site_id", event.site_id, self.has_site(org_id, event.site_id))]
            case PersonRecorded():
                references = [("home_site_id", event.home_site_id, self.has_site(org_id, event.home_site_id))]
                if event.default_shift_id is not None:
                    shift_id = event.default_shift_id
                    references.append(("default_shift_id", shift_id, self.has_shift(org_id, shift_id)))
                return references
            case RosterRecorded():
                return [
                    ("person_id", event.person_id, self.person(org_id, event.person_id) is not None),
                    ("shift_id", event.shift_id, self.has_shift(org_id, event.shift_id)),
                ]
            case LeaveRecorded():
                return [("person_id", event.person_id, self.person(org_id, event.person_id) is not None)]
            case HolidayRecorded() | PolicyRecorded() if event.site_id is not None:
                return [("site_id", event.site_id, self.has_site(org_id, event.site_id))]
            case _:
                return []


class _Claim(NamedTuple):
    org_id: str
    badge: str
    person_id: str


def _claim_of(event: Event | None) -> _Claim | None:
    if not isinstance(event, PersonRecorded) or event.badge is None:
        return None
    return _Claim(event.org_id, event.badge, event.person_id)


def is_directory_event(event: Event) -> bool:
    """Say whether an event is one of the directory's."""
    return type(event).__name__ in DIRECTORY.events


def _content(event: Event) -> dict[str, object]:
    return {name: value for name, value in to_fields(event).items() if name not in CIRCUMSTANCES}
