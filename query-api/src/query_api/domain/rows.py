"""What this service answers with: rows of the read model, joined with names, instants in UTC.

These are also the shapes of the HTTP answers; a field is never removed or given another meaning.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from query_api.domain.words import (
    DirectionWord,
    EnrolmentOutcomeWord,
    LockStateWord,
    OutcomeWord,
    StatusWord,
    TimeTrustWord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as it is recorded now."""

    device_id: str
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceDay:
    """One attendance day: (person, local date on which the shift starts, shift).

    `locked`: payroll closed the period; what was learned since is an adjustment.
    """

    attendance_on: date
    person_id: str
    display_name: str | None
    shift_id: str
    site_id: str | None
    site_name: str | None
    time_zone: str | None
    status: StatusWord
    worked_minutes: int
    first_in_at: datetime | None
    last_out_at: datetime | None
    late: bool
    late_minutes: int
    early: bool
    early_minutes: int
    break_minutes: int
    overtime_minutes: int
    missing: str | None
    open_since: datetime | None
    punch_count: int
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What a day of a locked period differs by from what was paid; minutes are differences.

    `booked_on`: the first open date, in whose period it is paid, or was: `settled`. No status is no day.
    """

    booked_on: date
    person_id: str
    display_name: str | None
    attendance_on: date
    shift_id: str
    site_id: str | None
    site_name: str | None
    time_zone: str | None
    status_from: StatusWord | None
    status_to: StatusWord | None
    worked_minutes: int
    overtime_minutes: int
    late_minutes: int
    early_minutes: int
    break_minutes: int
    settled: bool
    settled_by: UUID | None
    explanation: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLock:
    """A lock of a period; no site is the whole organisation.

    `state`: RECORDED, then SEALED while the days of `person_count` people come in, then IN_FORCE; REOPENED is
    for ever.
    """

    lock_id: UUID
    site_id: str | None
    site_name: str | None
    starts_on: date
    ends_on: date
    state: LockStateWord
    person_count: int | None
    locked_by: str
    locked_at: datetime
    reason: str
    reopened_by: str | None
    reopened_at: datetime | None
    reopened_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDay(AttendanceDay):
    """An attendance day and why it is so: the punches used and not used, each with the name of the rule."""

    explanation: Any
    shift_effective_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnscheduledPunch:
    """A punch in the window of no shift: it counts nothing until somebody decides what it was.

    `occurred_on` is the date at the home site, in its `time_zone`; `site_id` where it was made, null of a
    correction.
    """

    punch_id: UUID
    occurred_at: datetime
    occurred_on: date
    person_id: str
    display_name: str | None
    home_site_id: str | None
    home_site_name: str | None
    time_zone: str | None
    site_id: str | None
    device_id: str | None
    direction: str | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as the directory knows them now."""

    person_id: str
    display_name: str | None
    badge: str | None
    home_site_id: str | None
    site_name: str | None
    joined_on: date | None
    left_on: date | None
    active: bool
    default_shift_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentPerson:
    """A person who came in and has not left."""

    person_id: str
    display_name: str | None
    site_id: str | None
    site_name: str | None
    time_zone: str | None
    open_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePresence:
    """How many people are in at a site."""

    site_id: str | None
    site_name: str | None
    present_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """How a decision came about; similarities are cosines in [-1, 1]. Not shown to devices."""

    score: float | None
    runner_up_person_id: str | None
    runner_up_score: float | None
    threshold: float | None
    margin: float | None
    model_name: str | None
    model_version: str | None
    decision_round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReview:
    """What a person decided about a capture: whom it shows (null: nobody who counts). Not for devices."""

    review_id: UUID
    person_id: str | None
    display_name: str | None
    made_by: str
    reason: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One capture and what was decided about it. With the outcome REVIEW, the person is the best candidate.

    `outcome` and `person_id` are recognition's; a `review` stands above them. A device is told a person only
    when the outcome is IDENTIFIED.
    """

    capture_id: UUID
    occurred_at: datetime
    site_id: str
    site_name: str | None
    device_id: str
    device_sequence: int
    direction: DirectionWord | None
    time_trust: TimeTrustWord
    outcome: OutcomeWord
    person_id: str | None
    display_name: str | None
    reason: str | None
    image_sha256: str | None
    received_at: datetime | None
    decided_at: datetime | None
    recognition: Recognition | None
    review: CaptureReview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Which photos of an enrolment became templates, and why others did not.

    `erased_at`: when an erasure took the templates away that was asked for after the enrolment.
    """

    enrolment_id: UUID
    person_id: str
    display_name: str | None
    outcome: EnrolmentOutcomeWord
    template_count: int
    photos: Any
    requested_at: datetime | None
    decided_at: datetime | None
    model_name: str | None
    model_version: str | None
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An organisation as recorded; `default_policy` holds where no policy is recorded."""

    org_id: str
    name: str
    time_zone: str
    org_type: str
    default_policy: Any
    default_policy_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What one and several of a thing are called."""

    one: str
    many: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationDescription(Organisation):
    """An organisation, what things are called there, and what its roles are called."""

    labels_of: str
    labels: dict[str, Label]
    roles: dict[str, str]
