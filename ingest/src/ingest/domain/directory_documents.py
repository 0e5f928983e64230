"""What people may send about the directory, one model per kind, and the events these become.

Every field is checked here for its form; what it refers to is checked against the view of the directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from attendance_schemas.events import (
    Counting,
    DeviceKind,
    DeviceRecorded,
    Event,
    HolidayRecorded,
    IdentificationScope,
    LeavePart,
    LeaveRecorded,
    OrganisationRecorded,
    Pairing,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    RoundingMode,
    ShiftRecorded,
    SiteRecorded,
)
from attendance_schemas.org_types import USUAL_TYPE
from attendance_schemas.topics import DIRECTORY
from ingest.domain.actor import HR, OPS
from ingest.domain.fields import (
    Badge,
    Employed,
    Flag,
    Identifier,
    LocalTime,
    Minutes,
    MinutesAboveZero,
    Name,
    QuarterTurn,
    Weekdays,
    Whole,
    Zone,
    upper,
)
from service_kit.fields import NearDate

LONGEST_LEAVE = timedelta(days=366)
LONGEST_ROTATION = 366
SECONDS_PER_HOUR = 3600
# Fields that a CSV cell holds as words separated by spaces.
LISTS = frozenset(("weekdays", "weekly_offs", "rotation_days"))


class Document(BaseModel):
    """What all documents share: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OrganisationDocument(Document):
    """An organisation; its id is the tenant of its tokens."""

    name: Name = Field(examples=["Acme Textiles"])
    time_zone: Zone = Field(examples=["Asia/Kolkata"])
    org_type: Name = Field(
        default=USUAL_TYPE,
        description="what things are called, and the policy where none is recorded; an unknown one names all",
        examples=["plant"],
    )
    default_policy_on: NearDate | None = Field(
        default=None,
        description="first date on which the type's policy holds; null: always, if it waits for nobody",
        examples=["2026-01-01"],
    )


class SiteDocument(Document):
    """A site and the zone of its local times.

    Its captures are compared with everybody of the organisation, or decided among its own people (SITE).
    """

    name: Name = Field(examples=["Plant 1"])
    time_zone: Zone = Field(examples=["Asia/Kolkata"])
    identification_scope: Annotated[IdentificationScope, BeforeValidator(upper)] = Field(
        default=IdentificationScope.ORGANISATION,
        description="SITE: people of other home sites are not identified here, but go to review",
        examples=["ORGANISATION"],
    )


class DeviceDocument(Document):
    """A device; a revoked one is refused from now on."""

    site_id: Identifier = Field(examples=["plant-1"])
    name: Name = Field(examples=["Gate kiosk"])
    kind: Annotated[DeviceKind, BeforeValidator(upper)] = Field(examples=["KIOSK"])
    revoked: Flag = False
    image_turn_degrees: QuarterTurn = Field(
        default=0,
        description="by how much its images are turned clockwise so that heads stand up, for a camera that "
        "hangs on its side or head: 0, 90, 180 or 270",
        examples=[180],
    )


class PersonDocument(Document):
    """A person; dates are local to the home site.

    Home site, default shift and employment hold from `effective_on` on; before, what was recorded until then.
    """

    home_site_id: Identifier = Field(examples=["plant-1"])
    display_name: Name = Field(examples=["Asha Rao"])
    badge: Badge | None = Field(default=None, examples=["A-1001"])
    joined_on: Employed | None = Field(default=None, examples=["2026-01-01"])
    left_on: Employed | None = None
    active: Flag = True
    default_shift_id: Identifier | None = Field(default=None, examples=["day"])
    effective_on: Employed | None = Field(
        default=None,
        description="first local date of changed home_site_id, default_shift_id, joined_on, left_on, active; "
        "null: today at the home site. What is recorded first of somebody has always held",
        examples=["2026-11-01"],
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.joined_on and self.left_on and self.left_on < self.joined_on:
            raise ValueError("left_on is before joined_on")
        return self


class ShiftDocument(Document):
    """A version of a shift, in force from `effective_on`; `end` at or before `start` crosses midnight."""

    effective_on: NearDate = Field(examples=["2026-01-01"])
    name: Name = Field(examples=["Day shift"])
    start: LocalTime = Field(examples=["08:00"])
    end: LocalTime = Field(examples=["16:30"])
    time_zone: Zone | None = None
    window_before_minutes: Minutes = 60
    window_after_minutes: Minutes = 60
    late_grace_minutes: Minutes | None = None
    early_grace_minutes: Minutes | None = None
    pairing: Annotated[Pairing, BeforeValidator(upper)] = Pairing.ALTERNATING
    counting: Annotated[Counting, BeforeValidator(upper)] = Counting.FIRST_LAST
    half_day_below_minutes: MinutesAboveZero | None = None
    absent_below_minutes: MinutesAboveZero | None = None
    debounce_seconds: Annotated[Whole, Field(ge=0, le=SECONDS_PER_HOUR)] = 60
    break_minutes: Minutes = Field(default=0, description="unpaid, deducted once break_after was worked")
    break_after_minutes: Minutes = 360
    rounding: Annotated[RoundingMode | None, BeforeValidator(upper)] = Field(
        default=None, description="of reported minutes: UP, DOWN, NEAREST; null: none"
    )
    rounding_minutes: MinutesAboveZero = 15
    overtime_after_minutes: Minutes | None = Field(
        default=None, description="worked beyond the length of the shift plus this; null: no overtime"
    )
    overtime_cap_minutes: Minutes | None = None
    overtime_needs_approval: Flag = False
    count_on_holiday: Flag = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        half_day, absent = self.half_day_below_minutes, self.absent_below_minutes
        if half_day is not None and absent is not None and absent > half_day:
            raise ValueError(
                "absent_below_minutes is above half_day_below_minutes, so half days never happen"
            )
        return self


class RosterDocument(Document):
    """A person works a shift between two local dates, inclusive, by weekday or by rotation.

    No weekdays means every day. Day 1 of a rotation is `starts_on`.
    """

    person_id: Identifier = Field(examples=["p-1001"])
    shift_id: Identifier = Field(examples=["day"])
    starts_on: NearDate = Field(examples=["2026-01-01"])
    ends_on: NearDate | None = None
    weekdays: Weekdays = Field(default=(), examples=[["MON", "TUE", "WED", "THU", "FRI"]])
    rotation_length: Annotated[Whole, Field(ge=1, le=LONGEST_ROTATION)] | None = Field(
        default=None, description="days of the cycle; then without weekdays"
    )
    rotation_days: Annotated[tuple[Whole, ...], AfterValidator(lambda days: tuple(sorted(set(days))))] = ()
    in_addition: Flag = Field(
        default=False,
        description="worked beside another shift on the same dates; else such an entry is refused",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        if self.rotation_length is None:
            if self.rotation_days:
                raise ValueError("rotation_days need a rotation_length")
            return self
        if self.weekdays:
            raise ValueError("give weekdays or a rotation, not both")
        if (
            not self.rotation_days
            or not 1 <= self.rotation_days[0] <= self.rotation_days[-1] <= self.rotation_length
        ):
            raise ValueError(f"rotation_days are days from 1 to {self.rotation_length}, at least one")
        return self


class HolidayDocument(Document):
    """A date on which nobody is expected: at the sites of all, or at one."""

    name: Name = Field(examples=["Republic Day"])
    holiday_on: NearDate = Field(examples=["2026-01-26"])
    site_id: Identifier | None = Field(default=None, description="home site of the people; null: everybody")


class LeaveDocument(Document):
    """A person is on leave between two local dates, inclusive."""

    person_id: Identifier = Field(examples=["p-1001"])
    starts_on: NearDate = Field(examples=["2026-03-02"])
    ends_on: NearDate = Field(examples=["2026-03-06"])
    part: Annotated[LeavePart, BeforeValidator(upper)] = LeavePart.FULL
    name: Name | None = Field(default=None, examples=["annual"])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        if self.ends_on - self.starts_on > LONGEST_LEAVE:
            raise ValueError(f"more than {LONGEST_LEAVE.days} days; record it in parts")
        return self


class PolicyDocument(Document):
    """A version of what holds for everybody of a site, or of the organisation where a site has none."""

    effective_on: NearDate = Field(examples=["2026-01-01"])
    name: Name = Field(examples=["Plant"])
    site_id: Identifier | None = Field(default=None, description="home site of the people; null: everybody")
    weekly_offs: Weekdays = Field(default=(), examples=[["SUN"]])
    flexible_day_start: LocalTime | None = Field(
        default=None, description="punches outside every shift make a day that begins then; null: for review"
    )
    expects_attendance: Flag = Field(
        default=True, description="a shift without a punch is a day: PENDING, then ABSENT"
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of directory record: its path, its document, the event it becomes, and who may record it."""

    path: str
    id_field: str
    document: type[Document]
    event: type[Event]
    roles: frozenset[str]

    @property
    def noun(self) -> str:
        """What one of them is called, such as "site"."""
        return "organisation" if self.id_field == "org_id" else self.id_field.removesuffix("_id")

    @property
    def has_versions(self) -> bool:
        """Whether records of one id differ by `effective_on`."""
        return "{effective_on}" in DIRECTORY.events[self.event.__name__]

    @property
    def can_be_taken_back(self) -> bool:
        """Whether a record can be deleted. Devices are revoked, people leave; both stay on record."""
        return self.path in TAKEN_BACK

    def key_of(self, org_id: str, identity: str, effective_on: date | str | None = None) -> str:
        """Return the record key of an id of an organisation; of a kind with versions, of one version."""
        fields = {"org_id": org_id, self.id_field: identity, "effective_on": effective_on}
        return DIRECTORY.events[self.event.__name__].format_map(fields)

    def to_event(
        self, identity: str, document: Document, *, org_id: str, event_id: UUID, at: datetime
    ) -> Event:
        """Return the event that records a document under an id, `at` an instant in UTC."""
        names = type(document).model_fields.keys() & set(self.event.__struct_fields__)
        fields: dict[str, Any] = {name: getattr(document, name) for name in names}
        circumstances = {"org_id": org_id, "event_id": event_id, "occurred_at": at, "recorded_at": at}
        return self.event(**{**circumstances, self.id_field: identity, **fields})


EVERYBODY = frozenset((HR, OPS))
TAKEN_BACK = frozenset(("shifts", "rosters", "holidays", "leaves", "policies"))
KINDS: Mapping[str, Kind] = {
    kind.path: kind
    for kind in (
        Kind("organisations", "org_id", OrganisationDocument, OrganisationRecorded, frozenset((OPS,))),
        Kind("sites", "site_id", SiteDocument, SiteRecorded, EVERYBODY),
        Kind("devices", "device_id", DeviceDocument, DeviceRecorded, frozenset((OPS,))),
        Kind("persons", "person_id", PersonDocument, PersonRecorded, EVERYBODY),
        Kind("shifts", "shift_id", ShiftDocument, ShiftRecorded, EVERYBODY),
        Kind("rosters", "roster_id", RosterDocument, RosterRecorded, EVERYBODY),
        Kind("holidays", "holiday_id", HolidayDocument, HolidayRecorded, EVERYBODY),
        Kind("leaves", "leave_id", LeaveDocument, LeaveRecorded, EVERYBODY),
        Kind("policies", "policy_id", PolicyDocument, PolicyRecorded, EVERYBODY),
    )
}
