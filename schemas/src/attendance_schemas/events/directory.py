"""Who and what there is: organisations, sites, devices, people, and when they are expected."""

from datetime import date, time
from enum import StrEnum

from msgspec import Struct

from attendance_schemas.events.base import Authority, Event, Instant


class DeviceKind(StrEnum):
    """What a device is."""

    KIOSK = "KIOSK"
    CAMERA = "CAMERA"
    BADGE_READER = "BADGE_READER"


class IdentificationScope(StrEnum):
    """With whom a capture at a site is compared; SITE: the people whose home site it is."""

    ORGANISATION = "ORGANISATION"
    SITE = "SITE"


class Pairing(StrEnum):
    """How punches become ins and outs."""

    ALTERNATING = "ALTERNATING"
    DIRECTED = "DIRECTED"


class Counting(StrEnum):
    """What counts as worked."""

    FIRST_LAST = "FIRST_LAST"
    EVERY_PAIR = "EVERY_PAIR"


class RoundingMode(StrEnum):
    """Which way reported minutes are rounded; NEAREST takes a half up."""

    UP = "UP"
    DOWN = "DOWN"
    NEAREST = "NEAREST"


class LeavePart(StrEnum):
    """How much of each date the leave takes."""

    FULL = "FULL"
    HALF = "HALF"


class Weekday(StrEnum):
    """Day of the week, in ISO order."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"


class DefaultPolicy(Struct, frozen=True, kw_only=True):
    """What a type of organisations says for everybody where no PolicyRecorded is in effect."""

    weekly_offs: tuple[Weekday, ...]
    flexible_day_start: time | None
    expects_attendance: bool


class DirectoryEvent(Event, frozen=True, kw_only=True):
    """What all records of the directory carry: who recorded it, where ingest did it for somebody."""

    authority: Authority | None = None


class OrganisationRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """An organisation as it is from now on.

    `default_policy` is that of the type when this was recorded; it holds from `default_policy_on` on, else
    since ever.
    """

    name: str
    time_zone: str
    org_type: str = "company"
    default_policy: DefaultPolicy | None = None
    default_policy_on: date | None = None


class SiteRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A site as it is from now on; `time_zone` is an IANA name."""

    site_id: str
    name: str
    time_zone: str
    identification_scope: IdentificationScope = IdentificationScope.ORGANISATION


class DeviceRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A device as it is from now on."""

    device_id: str
    site_id: str
    name: str
    kind: DeviceKind
    revoked: bool = False
    image_turn_degrees: int = 0


class PersonTerms(Struct, frozen=True, kw_only=True):
    """What held of a person until `replaced_on`, exclusive, a local date."""

    replaced_on: date
    home_site_id: str
    default_shift_id: str | None = None
    joined_on: date | None = None
    left_on: date | None = None
    active: bool = True


class FormerBadge(Struct, frozen=True, kw_only=True):
    """A badge that a person had until an instant, exclusive."""

    badge: str
    held_until: Instant


class PersonRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A person as known from now on, and what held before; the newest record says all of it.

    `earlier` and `former_badges` come oldest first. Before the first of `earlier` was replaced, it held since
    ever; without any, what the record says has always held.
    """

    person_id: str
    home_site_id: str
    display_name: str
    badge: str | None = None
    joined_on: date | None = None
    left_on: date | None = None
    active: bool = True
    default_shift_id: str | None = None
    earlier: tuple[PersonTerms, ...] = ()
    former_badges: tuple[FormerBadge, ...] = ()


class ShiftRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A version of a shift, in force from `effective_on` until the next version. Times are local."""

    shift_id: str
    effective_on: date
    name: str
    start: time
    end: time
    time_zone: str | None = None
    window_before_minutes: int = 60
    window_after_minutes: int = 60
    late_grace_minutes: int | None = None
    early_grace_minutes: int | None = None
    pairing: Pairing = Pairing.ALTERNATING
    counting: Counting = Counting.FIRST_LAST
    half_day_below_minutes: int | None = None
    absent_below_minutes: int | None = None
    debounce_seconds: int = 60
    break_minutes: int = 0
    break_after_minutes: int = 360
    rounding: RoundingMode | None = None
    rounding_minutes: int = 15
    overtime_after_minutes: int | None = None
    overtime_cap_minutes: int | None = None
    overtime_needs_approval: bool = False
    count_on_holiday: bool = False


class RosterRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A person works a shift between two local dates, inclusive, by weekday or by rotation.

    No weekdays means every day. Day 1 of a rotation is `starts_on`. `in_addition`: meant beside other shifts.
    """

    roster_id: str
    person_id: str
    shift_id: str
    starts_on: date
    ends_on: date | None = None
    weekdays: tuple[Weekday, ...] = ()
    rotation_length: int | None = None
    rotation_days: tuple[int, ...] = ()
    in_addition: bool = False


class HolidayRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A local date on which nobody is expected, at one site or (no `site_id`) in the whole organisation."""

    holiday_id: str
    name: str
    holiday_on: date
    site_id: str | None = None


class LeaveRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A person is on leave between two local dates, inclusive."""

    leave_id: str
    person_id: str
    starts_on: date
    ends_on: date
    part: LeavePart = LeavePart.FULL
    name: str | None = None


class PolicyRecorded(DirectoryEvent, frozen=True, kw_only=True):
    """A version of what holds for everybody of a site, or of an organisation where a site has none.

    In force from `effective_on` until the next version.
    """

    policy_id: str
    effective_on: date
    name: str
    site_id: str | None = None
    weekly_offs: tuple[Weekday, ...] = ()
    flexible_day_start: time | None = None
    expects_attendance: bool = True
