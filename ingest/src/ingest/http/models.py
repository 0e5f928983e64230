"""What travels over HTTP: the metadata of uploads and the answers, as they appear in the API description."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from attendance_schemas.events import Direction, PunchMethod, TimeTrust
from ingest.domain.capture import CaptureClaim
from ingest.domain.enrolment import EnrolmentClaim
from ingest.domain.fields import Badge, BootId, ClockInstant, Identifier, Name, Reason, Whole
from ingest.domain.identifiers import time_of
from ingest.domain.punch import PunchClaim
from ingest.domain.sequence_ranges import FIRST_SEQUENCE, LAST_SEQUENCE
from ingest.domain.time_trust import ClockReadings

MAXIMUM_COUNTER = LAST_SEQUENCE


def _time_ordered(value: UUID) -> UUID:
    if time_of(value) is None:
        raise ValueError(f"{value} is no UUIDv7 of the years 1970 to 9999; make a new one each time")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Counter = Annotated[Whole, Field(ge=0, le=MAXIMUM_COUNTER)]
Sequence = Annotated[Whole, Field(ge=FIRST_SEQUENCE, le=LAST_SEQUENCE)]
OCCURRED_AT = Field(description="when it counts as having happened, UTC; the same for every resend")
TIME_TRUST = Field(description="how far the clocks were believed; UNTRUSTED: set the clock of the device")


class Clocks(BaseModel):
    """What a sender says about time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    captured_at: ClockInstant = Field(description="the device's clock at the capture")
    device_now: ClockInstant | None = Field(default=None, description="the device's clock at this upload")
    monotonic_ms: Counter | None = Field(default=None, description="milliseconds since boot at the capture")
    boot_id: BootId | None = Field(default=None, description="names the boot of the capture")
    monotonic_now_ms: Counter | None = Field(
        default=None, description="milliseconds since boot at this upload"
    )
    boot_id_now: BootId | None = Field(default=None, description="names the boot of this upload")

    def readings(self) -> ClockReadings:
        """Return them in the words of the domain."""
        return ClockReadings(
            captured_at=self.captured_at,
            device_now=self.device_now,
            monotonic_ms=self.monotonic_ms,
            boot_id=self.boot_id,
            monotonic_now_ms=self.monotonic_now_ms,
            boot_id_now=self.boot_id_now,
        )


class CaptureMetadata(Clocks):
    """What a device says about one capture."""

    capture_id: Annotated[UUID, AfterValidator(_time_ordered)] = Field(
        description="UUIDv7 made by the device, once per capture; the same again for every resend"
    )
    device_sequence: Sequence = Field(description="counts up by one per device")
    direction: Direction | None = None
    claimed_badge: Badge | None = Field(default=None, description="badge shown with the face")

    def claim(self) -> CaptureClaim:
        """Return it in the words of the domain."""
        return CaptureClaim(
            capture_id=self.capture_id,
            device_sequence=self.device_sequence,
            clocks=self.readings(),
            direction=self.direction,
            claimed_badge=self.claimed_badge,
        )


PunchId = Annotated[UUID, AfterValidator(_time_ordered)]


class PunchDocument(Clocks):
    """What a device says about a punch by badge, PIN or QR code. It has checked the PIN; none travels."""

    punch_id: PunchId = Field(description="UUIDv7 made by the device, once per punch")
    device_sequence: Sequence = Field(description="counts up by one per device, with its captures")
    method: Annotated[Literal["badge", "pin", "qr"], BeforeValidator(_lower)]
    badge: Badge | None = Field(default=None, description="number of the badge, for the method badge")
    person_id: Identifier | None = Field(default=None, description="for the methods pin and qr")
    direction: Direction | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        shown, other = ("badge", "person_id") if self.method == "badge" else ("person_id", "badge")
        if getattr(self, shown) is None or getattr(self, other) is not None:
            raise ValueError(f"the method {self.method} takes {shown} and no {other}")
        return self

    def claim(self) -> PunchClaim:
        """Return it in the words of the domain."""
        return PunchClaim(
            punch_id=self.punch_id,
            method=PunchMethod(self.method.upper()),
            credential=self.badge or self.person_id or "",
            clocks=self.readings(),
            device_sequence=self.device_sequence,
            direction=self.direction,
        )


class SupervisedPunchDocument(Clocks):
    """What a supervisor says: the person was there."""

    punch_id: PunchId = Field(description="UUIDv7 made by the sender, once per punch")
    person_id: Identifier
    reason: Reason
    site_id: Identifier | None = Field(default=None, description="where; by default the home site")
    direction: Direction | None = None

    def claim(self) -> PunchClaim:
        """Return it in the words of the domain."""
        return PunchClaim(
            punch_id=self.punch_id,
            method=PunchMethod.SUPERVISOR,
            credential=self.person_id,
            clocks=self.readings(),
            direction=self.direction,
            reason=self.reason,
        )


class PunchAnswer(BaseModel):
    """The punch is kept; no outage loses it."""

    punch_id: UUID
    received_at: datetime = Field(description="of the first acceptance, UTC")
    occurred_at: datetime = OCCURRED_AT
    time_trust: TimeTrust = TIME_TRUST
    device_sequence_acknowledged: int | None = Field(
        default=None, description="highest device_sequence up to which nothing is missing"
    )


class CorrectionAnswer(BaseModel):
    """The correction is kept; no outage loses it."""

    correction_id: UUID
    recorded_at: datetime = Field(description="of the first acceptance, UTC")
    made_by: str


class PeriodAnswer(BaseModel):
    """The lock or reopening is kept; no outage loses it, and it is in force moments later."""

    id: UUID = Field(description="the lock_id or reopening_id")
    recorded_at: datetime = Field(description="of the first acceptance, UTC")
    made_by: str


class EnrolmentMetadata(BaseModel):
    """Whom the photos show, and where their consent is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_id: Identifier
    consent_reference: Name
    enrolment_id: UUID | None = Field(
        default=None, description="makes the request repeatable; else it follows from it"
    )
    accepted_lookalikes: frozenset[Identifier] = Field(
        default=frozenset(),
        max_length=10,
        description="people enrolled already whom the face may resemble: twins, checked by hr; role hr only",
    )

    def claim(self) -> EnrolmentClaim:
        """Return it in the words of the domain."""
        return EnrolmentClaim(
            person_id=self.person_id,
            consent_reference=self.consent_reference,
            enrolment_id=self.enrolment_id,
            accepted_lookalikes=self.accepted_lookalikes,
        )


class CaptureAnswer(BaseModel):
    """The capture is kept; no outage loses it, and the device may delete it."""

    capture_id: UUID
    received_at: datetime = Field(description="of the first acceptance, UTC")
    occurred_at: datetime = OCCURRED_AT
    time_trust: TimeTrust = TIME_TRUST
    status_url: str
    device_sequence_acknowledged: int | None = Field(
        description="highest device_sequence up to which nothing is missing; null when that is not known now"
    )


class EnrolmentAnswer(BaseModel):
    """The photos are kept; whether they became templates is told at the status_url."""

    enrolment_id: UUID
    status_url: str


class ErasureAnswer(BaseModel):
    """The erasure is kept and will be done."""

    erasure_id: UUID
    status: Literal["requested"] = "requested"
    requested_at: datetime = Field(description="everything enrolled until then is erased, UTC")


class ImportAnswer(BaseModel):
    """All lines of the file are recorded."""

    kind: str
    recorded: int = Field(description="new or changed")
    unchanged: int = Field(description="said what was recorded already")
