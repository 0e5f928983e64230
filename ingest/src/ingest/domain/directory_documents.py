"""What people may send about the directory, one model per kind, and the events these become.

Every field is checked here for its form; what it refers to is checked against the view of the directory.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from attendance_schemas.events import (
    Counting,
    DeviceKind,
    DeviceRecorded,
    Event,
    OrganisationRecorded,
    Pairing,
    PersonRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
    Weekday,
)
from ingest.domain.actor import HR, OPS
from ingest.domain.identifiers import BADGE_PATTERN, ID_PATTERN

LOCAL_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:00)?")
ISO_DATE_LENGTH = len("2026-01-31")
MINUTES_PER_DAY = 1440
SECONDS_PER_HOUR = 3600
# Part of the zone database, but no place.
NO_PLACES = frozenset(("localtime", "Factory"))


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_PLACES


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(f"{name!r} is no IANA time zone; use a name like Asia/Kolkata or Europe/Berlin")
    return name


def _iso_date(value: object) -> date:
    if isinstance(value, str) and len(value) == ISO_DATE_LENGTH:
        return date.fromisoformat(value)
    raise ValueError(f"{value!r} is no date; write it as YYYY-MM-DD")


def _local_time(value: object) -> time:
    if isinstance(value, str) and LOCAL_TIME.fullmatch(value):
        return time.fromisoformat(value)
    raise ValueError(f"{value!r} is no local time; write it as HH:MM, from 00:00 to 23:59")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _distinct(days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    return tuple(day for day in Weekday if day in days)


Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Badge = Annotated[str, StringConstraints(pattern=BADGE_PATTERN)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Zone = Annotated[str, AfterValidator(_zone)]
LocalDate = Annotated[date, BeforeValidator(_iso_date, json_schema_input_type=str)]
LocalTime = Annotated[time, BeforeValidator(_local_time, json_schema_input_type=str)]
Minutes = Annotated[int, Field(ge=0, le=MINUTES_PER_DAY)]


class Document(BaseModel):
    """What all documents share: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrganisationDocument(Document):
    """An organisation; its id is the tenant of its tokens."""

    name: Name = Field(examples=["Acme Textiles"])
    time_zone: Zone = Field(examples=["Asia/Kolkata"])


class SiteDocument(Document):
    """A site and the zone of its local times."""

    name: Name = Field(examples=["Plant 1"])
    time_zone: Zone = Field(examples=["Asia/Kolkata"])


class DeviceDocument(Document):
    """A device; a revoked one is refused from now on."""

    site_id: Identifier = Field(examples=["plant-1"])
    name: Name = Field(examples=["Gate kiosk"])
    kind: Annotated[DeviceKind, BeforeValidator(_upper)] = Field(examples=["KIOSK"])
    revoked: bool = False


class PersonDocument(Document):
    """A person; dates are local to the home site."""

    home_site_id: Identifier = Field(examples=["plant-1"])
    display_name: Name = Field(examples=["Asha Rao"])
    badge: Badge | None = Field(default=None, examples=["A-1001"])
    joined_on: LocalDate | None = Field(default=None, examples=["2026-01-01"])
    left_on: LocalDate | None = None
    active: bool = True
    default_shift_id: Identifier | None = Field(default=None, examples=["day"])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.joined_on and self.left_on and self.left_on < self.joined_on:
            raise ValueError("left_on is before joined_on")
        return self


class ShiftDocument(Document):
    """A version of a shift, in force from `effective_on`; `end` at or before `start` crosses midnight."""

    effective_on: LocalDate = Field(examples=["2026-01-01"])
    name: Name = Field(examples=["Day shift"])
    start: LocalTime = Field(examples=["08:00"])
    end: LocalTime = Field(examples=["16:30"])
    time_zone: Zone | None = None
    window_before_minutes: Minutes = 60
    window_after_minutes: Minutes = 60
    late_grace_minutes: Minutes | None = None
    early_grace_minutes: Minutes | None = None
    pairing: Annotated[Pairing, BeforeValidator(_upper)] = Pairing.ALTERNATING
    counting: Annotated[Counting, BeforeValidator(_upper)] = Counting.FIRST_LAST
    half_day_below_minutes: Minutes | None = None
    absent_below_minutes: Minutes | None = None
    debounce_seconds: Annotated[int, Field(ge=0, le=SECONDS_PER_HOUR)] = 60

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        half_day, absent = self.half_day_below_minutes, self.absent_below_minutes
        if half_day is not None and absent is not None and absent > half_day:
            raise ValueError(
                "absent_below_minutes is above half_day_below_minutes, so half days never happen"
            )
        return self


class RosterDocument(Document):
    """A person works a shift between two local dates, inclusive; no weekdays means every day."""

    person_id: Identifier = Field(examples=["p-1001"])
    shift_id: Identifier = Field(examples=["day"])
    starts_on: LocalDate = Field(examples=["2026-01-01"])
    ends_on: LocalDate | None = None
    weekdays: Annotated[
        tuple[Annotated[Weekday, BeforeValidator(_upper)], ...], AfterValidator(_distinct)
    ] = Field(default=(), examples=[["MON", "TUE", "WED", "THU", "FRI"]])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        return self


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of directory record: its path, its document, the event it becomes, and who may record it."""

    path: str
    id_field: str
    document: type[Document]
    event: type[Event]
    roles: frozenset[str]

    def to_event(
        self, identity: str, document: Document, *, org_id: str, event_id: UUID, at: datetime
    ) -> Event:
        """Return the event that records a document under an id, `at` an instant in UTC."""
        fields: dict[str, Any] = {name: getattr(document, name) for name in type(document).model_fields}
        circumstances = {"org_id": org_id, "event_id": event_id, "occurred_at": at, "recorded_at": at}
        return self.event(**{**circumstances, self.id_field: identity, **fields})


EVERYBODY = frozenset((HR, OPS))
KINDS: Mapping[str, Kind] = {
    kind.path: kind
    for kind in (
        Kind("organisations", "org_id", OrganisationDocument, OrganisationRecorded, frozenset((OPS,))),
        Kind("sites", "site_id", SiteDocument, SiteRecorded, EVERYBODY),
        Kind("devices", "device_id", DeviceDocument, DeviceRecorded, frozenset((OPS,))),
        Kind("persons", "person_id", PersonDocument, PersonRecorded, EVERYBODY),
        Kind("shifts", "shift_id", ShiftDocument, ShiftRecorded, EVERYBODY),
        Kind("rosters", "roster_id", RosterDocument, RosterRecorded, EVERYBODY),
    )
}
