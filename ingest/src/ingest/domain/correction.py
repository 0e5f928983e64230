"""What people correct, one model per kind, and the events these become."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from attendance_schemas.events import (
    Act,
    Authority,
    DayOverridden,
    DayStatus,
    Direction,
    PunchAdded,
    PunchVoided,
    ReviewDecided,
)
from attendance_schemas.identity import deterministic_id
from ingest.domain.fields import Identifier, Minutes, Reason, upper
from service_kit.fields import NearDate, NearInstant

# From a date's midnight in UTC to the farthest windows of its shifts, wherever the site is: a shift may begin
# at any time of the date, is as long as a day, and so are its windows.
BEFORE_DATE, AFTER_DATE = timedelta(days=1, hours=14), timedelta(days=3, hours=12)


class Correction(BaseModel):
    """What all corrections share: an id that the sender makes, and a reason that stays on record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    correction_id: UUID = Field(description="made by the sender, once; the same again for every resend")
    reason: Reason = Field(examples=["reader broken, seen by the foreman"])


class AdditionDocument(Correction):
    """Add a punch that no device saw."""

    person_id: Identifier
    punched_at: NearInstant = Field(examples=["2026-03-02T16:30:00+05:30"])
    direction: Direction | None = None
    site_id: Identifier | None = None


class VoidDocument(Correction):
    """Void a punch, or an earlier correction."""

    person_id: Identifier
    punch_id: UUID | None = Field(default=None, description="as the explanation of a day shows it")
    voided_correction_id: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.punch_id is None) == (self.voided_correction_id is None):
            raise ValueError("give either punch_id or voided_correction_id")
        return self


class OverrideDocument(Correction):
    """Replace a day; without `shift_id` those of every shift on the date."""

    person_id: Identifier
    attendance_on: NearDate
    status: Annotated[DayStatus, BeforeValidator(upper)]
    shift_id: Identifier | None = None
    worked_minutes: Minutes = 0
    overtime_minutes: Minutes = 0
    first_in_at: NearInstant | None = None
    last_out_at: NearInstant | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_in_at and self.last_out_at and self.last_out_at < self.first_in_at:
            raise ValueError("last_out_at is before first_in_at")
        return self

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        if self.overtime_minutes > self.worked_minutes:
            raise ValueError("overtime_minutes are part of worked_minutes and cannot be more")
        if self.status is DayStatus.ABSENT and (self.worked_minutes or self.first_in_at or self.last_out_at):
            raise ValueError("a day that is ABSENT has no worked_minutes, first_in_at or last_out_at")
        if self.first_in_at and self.last_out_at:
            longest = self.last_out_at - self.first_in_at
            if timedelta(minutes=self.worked_minutes) > longest:
                raise ValueError("worked_minutes are more than there are from first_in_at to last_out_at")
        return self

    @model_validator(mode="after")
    def _of_that_date(self) -> Self:
        begins_at = datetime.combine(self.attendance_on, time(), UTC)
        for name, at in (("first_in_at", self.first_in_at), ("last_out_at", self.last_out_at)):
            if at is not None and not begins_at - BEFORE_DATE <= at <= begins_at + AFTER_DATE:
                raise ValueError(
                    f"{name} is at {at.isoformat()}, which no shift of {self.attendance_on} reaches"
                )
        return self


class ReviewDocument(Correction):
    """Say whom a capture shows."""

    capture_id: UUID
    person_id: Identifier | None = Field(default=None, description="null: nobody who counts")


@dataclass(frozen=True, slots=True)
class CorrectionKind:
    """A kind of correction: its path, its document and what it does."""

    path: str
    document: type[Correction]
    title: str


CORRECTION_KINDS: Mapping[str, CorrectionKind] = {
    kind.path: kind
    for kind in (
        CorrectionKind("additions", AdditionDocument, "Add a punch"),
        CorrectionKind("voids", VoidDocument, "Void a punch or a correction"),
        CorrectionKind("overrides", OverrideDocument, "Override a day"),
        CorrectionKind("reviews", ReviewDocument, "Decide whom a capture shows"),
    )
}


# What differs between two requests that say the same: a token may be for other sites by now, a home moves.
CIRCUMSTANCES = frozenset(("event_id", "recorded_at", "authority", "home_site_id"))


def decide_correction(
    document: Correction,
    *,
    org_id: str,
    authority: Authority,
    home_site_id: str | None,
    received_at: datetime,
) -> Act:
    """Decide the event of a correction received for the first time at `received_at` (UTC).

    home_site_id: of the person whom it names; None: it names nobody.
    """
    identity = document.correction_id
    common: dict[str, Any] = {
        "event_id": deterministic_id("Correction", org_id, identity),
        "occurred_at": received_at,
        "recorded_at": received_at,
        "org_id": org_id,
        "authority": authority,
        "home_site_id": home_site_id,
        "reason": document.reason,
    }
    match document:
        case AdditionDocument():
            return PunchAdded(
                **common | {"occurred_at": document.punched_at},
                correction_id=identity,
                punch_id=deterministic_id("PunchAdded", org_id, identity),
                person_id=document.person_id,
                site_id=document.site_id,
                direction=document.direction,
            )
        case VoidDocument():
            return PunchVoided(
                **common,
                correction_id=identity,
                person_id=document.person_id,
                punch_id=document.punch_id,
                voided_correction_id=document.voided_correction_id,
            )
        case OverrideDocument():
            fields = {name: getattr(document, name) for name in OverrideDocument.model_fields}
            return DayOverridden(**common | fields)
        case ReviewDocument():
            return ReviewDecided(
                **common,
                review_id=identity,
                capture_id=document.capture_id,
                person_id=document.person_id,
            )
    raise TypeError(f"{type(document).__name__} is no correction")


def same_correction(first: Act, second: Act) -> bool:
    """Say whether two corrections under one id say the same, by the same person."""
    circumstances = CIRCUMSTANCES | (set() if isinstance(first, PunchAdded) else {"occurred_at"})
    names = [name for name in first.__struct_fields__ if name not in circumstances]
    return (
        type(first) is type(second)
        and first.authority.subject == second.authority.subject
        and all(getattr(first, name) == getattr(second, name) for name in names)
    )
