"""The directory as it is now: the newest record of every key, and what a new record must fit.

An id is its organisation's own, as the keys of the topic are: nothing here depends on other organisations.

Of the records of a key those count that were written by somebody who knew what stood there: their version is
greater than all before. One that comes late does not count, and what does is written once more.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from msgspec import structs

from attendance_schemas.events import (
    Authority,
    DeviceRecorded,
    Event,
    HolidayRecorded,
    LeaveRecorded,
    OrganisationRecorded,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)
from attendance_schemas.topics import DIRECTORY
from ingest.domain.badges import Badges, without_badge
from ingest.errors import FieldError
from service_kit.views.record_versions import RecordVersions
from service_kit.views.spread_dict import SpreadDict

E = TypeVar("E", bound=Event)
# What differs between two records that say the same.
CIRCUMSTANCES = ("event_id", "occurred_at", "recorded_at", "authority")


class Write(NamedTuple):
    """A record to write: an event, or the end of its key and by whom."""

    key: str
    event: Event | None
    ended_by: Authority | None
    version: int


@dataclass(slots=True)
class DirectoryView:
    """The record of every key that counts. `apply` in the order of the topic."""

    records: MutableMapping[str, Event] = field(default_factory=SpreadDict)
    _ended_by: dict[str, Authority | None] = field(default_factory=dict)
    _versions: RecordVersions[str] = field(default_factory=RecordVersions)
    # Keys whose record cannot be read here, as after a rollback: what was known before stays in `records`.
    _unreadable: set[str] = field(default_factory=set)
    # Keys of the versions of each shift, of the sites of each organisation, and of the roster of each person.
    _shift_keys: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _site_keys: dict[str, set[str]] = field(default_factory=dict)
    _roster_keys: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _badges: Badges = field(default_factory=Badges)

    def apply(
        self, key: str, event: Event | None, *, version: int = 0, ended_by: Authority | None = None
    ) -> bool:
        """Take a record in, or the end of its key (None); return whether it counts."""
        before = (self.records.get(key), self._ended_by.get(key))
        says_the_same = key not in self._unreadable and (event, ended_by) == before
        if not self._versions.take(key, version, says_the_same=says_the_same):
            return False
        self._put(key, event, ended_by)
        return True

    def _put(self, key: str, event: Event | None, ended_by: Authority | None) -> None:
        self._unreadable.discard(key)
        previous = self.records.pop(key, None)
        self._badges.move(previous, event)
        if isinstance(previous, ShiftRecorded):
            self._shift_keys[previous.org_id, previous.shift_id].discard(key)
        elif isinstance(previous, SiteRecorded):
            self._site_keys[previous.org_id].discard(key)
        elif isinstance(previous, RosterRecorded):
            self._roster_keys[previous.org_id, previous.person_id].discard(key)
        if event is None:
            self._ended_by[key] = ended_by
            return
        self._ended_by.pop(key, None)
        self.records[key] = event
        if isinstance(event, ShiftRecorded):
            self._shift_keys.setdefault((event.org_id, event.shift_id), set()).add(key)
        elif isinstance(event, SiteRecorded):
            self._site_keys.setdefault(event.org_id, set()).add(key)
        elif isinstance(event, RosterRecorded):
            self._roster_keys.setdefault((event.org_id, event.person_id), set()).add(key)

    def leave_out(self, key: str, version: int) -> bool:
        """Take a record in that cannot be read here; return whether it counts: then the next is newer."""
        if not self._versions.take(key, version, says_the_same=False):
            return False
        self._unreadable.add(key)
        return True

    def read_at_last(self, key: str, event: Event) -> bool:
        """Take in the record that was left out last, now that it can be read; return whether it counts."""
        if key not in self._unreadable:
            return False
        self._put(key, event, None)
        return True

    def write_of(self, event: Event) -> Write:
        """Return how an event has to be written now."""
        key = DIRECTORY.key_of(event).decode()
        return Write(key, event, None, self._versions.next_of(key))

    def end_of(self, event: Event, ended_by: Authority) -> Write:
        """Return how the end of an event's key has to be written now."""
        return self.write_of(event)._replace(event=None, ended_by=ended_by)

    @property
    def needs_repair(self) -> bool:
        """Whether the last record of any key is not what counts, as far as it can be read here."""
        # Asked after each record: it finds the first one, however many there are.
        return any(True for _ in self._repairable()) or any(True for _ in self._disputed())

    def repairs(self) -> list[Write]:
        """Return what has to be written once more, so that the last record of each key is what counts."""
        writes = {
            key: Write(key, self.records.get(key), self._ended_by.get(key), self._versions.next_of(key))
            for key in self._repairable()
        }
        for org_id, badge in self._disputed():
            for person_id in self._badges.who_name(org_id, badge)[1:]:
                if (person := self.person(org_id, person_id)) is not None:
                    write = self.write_of(without_badge(person))
                    writes[write.key] = write
        return list(writes.values())

    def _repairable(self) -> Iterator[str]:
        return (key for key in self._versions.overruled if key not in self._unreadable)

    def _disputed(self) -> Iterator[tuple[str, str]]:
        """Return badges that several people name now; of a record that cannot be read nobody knows that."""
        return (
            (org_id, badge)
            for org_id, badge in self._badges.contested
            if not any(
                _person_key(org_id, each) in self._unreadable for each in self._badges.who_name(org_id, badge)
            )
        )

    def device(self, org_id: str, device_id: str) -> DeviceRecorded | None:
        """Return a device of this organisation."""
        return self._find(DeviceRecorded, org_id=org_id, device_id=device_id)

    def person(self, org_id: str, person_id: str) -> PersonRecorded | None:
        """Return a person of this organisation."""
        return self._find(PersonRecorded, org_id=org_id, person_id=person_id)

    def person_with_badge(self, org_id: str, badge: str) -> PersonRecorded | None:
        """Return who holds a badge in this organisation."""
        holder = self._badges.holder(org_id, badge)
        return None if holder is None else self.person(org_id, holder)

    def holder_at(self, org_id: str, badge: str, at: datetime) -> PersonRecorded | None:
        """Return who held a badge at an instant: whoever had it first after that, when nobody had it then."""
        holder = self._badges.holder_at(org_id, badge, at)
        return None if holder is None else self.person(org_id, holder)

    def local_date(self, org_id: str, at: datetime, *site_ids: str) -> date:
        """Return the local date of an instant at these sites, the latest; in UTC where none is recorded."""
        found = (self._find(SiteRecorded, org_id=org_id, site_id=site_id) for site_id in site_ids)
        zones = [site.time_zone for site in found if site is not None]
        return max(at.astimezone(ZoneInfo(zone)).date() for zone in zones or ["UTC"])

    def is_in_force(self, event: Event) -> bool:
        """Say whether an event is the newest record of its key."""
        return self.records.get(DIRECTORY.key_of(event).decode()) == event

    def is_without_badge(self, event: PersonRecorded) -> bool:
        """Say whether a record is in force, but names a badge that somebody else holds."""
        return self.is_in_force(event) and bool(self._taken_badge(event))

    def has_site(self, org_id: str, site_id: str) -> bool:
        """Say whether this organisation has this site."""
        return self._find(SiteRecorded, org_id=org_id, site_id=site_id) is not None

    def sites(self, org_id: str) -> list[SiteRecorded]:
        """Return the sites of this organisation."""
        found = [self.records[key] for key in self._site_keys.get(org_id, ())]
        return [site for site in found if isinstance(site, SiteRecorded)]

    def has_shift(self, org_id: str, shift_id: str) -> bool:
        """Say whether this organisation has any version of this shift."""
        return bool(self._shift_keys.get((org_id, shift_id)))

    def roster_of(self, org_id: str, person_id: str) -> list[RosterRecorded]:
        """Return the roster entries of a person, the first one first."""
        found = [self.records[key] for key in self._roster_keys.get((org_id, person_id), ())]
        entries = [entry for entry in found if isinstance(entry, RosterRecorded)]
        return sorted(entries, key=lambda entry: (entry.starts_on, entry.roster_id))

    def check(self, event: Event) -> list[FieldError]:
        """Return the fields of a new record that refer to nothing, or to what somebody else has."""
        return (
            self._missing_organisation(event)
            + self._taken_badge(event)
            + [
                FieldError(name, f"{value} is not recorded in organisation {event.org_id}; record it first")
                for name, value, found in self._references(event)
                if not found
            ]
        )

    def _missing_organisation(self, event: Event) -> list[FieldError]:
        """Devices and people need a site: so without this, they were of an organisation that nobody named."""
        org_id = event.org_id
        if not isinstance(event, SiteRecorded) or self._find(OrganisationRecorded, org_id=org_id) is not None:
            return []
        message = f"{org_id} is not recorded; ops record it first: PUT /v1/directory/organisations/{org_id}"
        return [FieldError("org_id", message)]

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
        key = DIRECTORY.key_of(event).decode()
        found = None if key in self._unreadable else self.records.get(key)
        if found is None or type(found) is not type(event):
            return None
        circumstances = {name: getattr(found, name) for name in CIRCUMSTANCES}
        return found if structs.replace(event, **circumstances) == found else None

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
        """Return the site that a new record is about, the one until now, and those whose past it changes.

        Of a person these are the former homes for whose dates the new record says something else.
        """
        previous = self.records.get(DIRECTORY.key_of(event).decode())
        if previous is None:
            return [self.site_of(event)]
        sites = [self.site_of(event), self.site_of(previous)]
        if isinstance(previous, PersonRecorded) and isinstance(event, PersonRecorded):
            sites += [each.home_site_id for each in previous.earlier if each not in event.earlier]
        return sites

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


def _person_key(org_id: str, person_id: str) -> str:
    return DIRECTORY.events[PersonRecorded.__name__].format(org_id=org_id, person_id=person_id)


def is_directory_event(event: Event) -> bool:
    """Say whether an event is one of the directory's."""
    return type(event).__name__ in DIRECTORY.events


def belongs_under(key: str, event: Event) -> bool:
    """Say whether an event is one of the directory's, and of what this key names."""
    return is_directory_event(event) and DIRECTORY.key_of(event).decode() == key
