"""What travels over HTTP: the metadata of uploads and the answers, as they appear in the API description."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from attendance_schemas.events import Direction
from ingest.domain.capture import CaptureClaim
from ingest.domain.directory_documents import Badge, Identifier
from ingest.domain.enrolment import EnrolmentClaim
from ingest.domain.identifiers import time_of
from ingest.domain.time_trust import ClockReadings

MAXIMUM_COUNTER = 2**53 - 1  # the largest integer that JSON carries everywhere
EARLIEST_YEAR, LATEST_YEAR = 1970, 9990


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("an instant is text like 2026-03-02T08:00:00+05:30")  # noqa: TRY004 - pydantic's protocol
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no ISO 8601 instant, like 2026-03-02T08:00:00+05:30") from None
    if parsed.tzinfo is None:
        raise ValueError(f"{value!r} has no offset; write Z or an offset like +05:30")
    if not EARLIEST_YEAR <= parsed.year <= LATEST_YEAR:
        raise ValueError(f"{value!r} is outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return parsed.astimezone(UTC)


def _time_ordered(value: UUID) -> UUID:
    if time_of(value) is None:
        raise ValueError(f"{value} is no UUIDv7 of the years 1970 to 9999; make one for every capture")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=str)]
Counter = Annotated[int, Field(strict=True, ge=0, le=MAXIMUM_COUNTER)]
BootId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class CaptureMetadata(BaseModel):
    """What a device says about one capture. Fields that this version does not know are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    capture_id: Annotated[UUID, AfterValidator(_time_ordered)] = Field(
        description="UUIDv7 made by the device, once per capture; the same again for every resend"
    )
    device_sequence: Annotated[int, Field(strict=True, ge=1, le=MAXIMUM_COUNTER)] = Field(
        description="counts up by one per device"
    )
    captured_at: Instant = Field(description="the device's clock at the capture")
    device_now: Instant | None = Field(default=None, description="the device's clock at this upload")
    monotonic_ms: Counter | None = Field(default=None, description="milliseconds since boot at the capture")
    boot_id: BootId | None = Field(default=None, description="names the boot of the capture")
    monotonic_now_ms: Counter | None = Field(
        default=None, description="milliseconds since boot at this upload"
    )
    boot_id_now: BootId | None = Field(default=None, description="names the boot of this upload")
    direction: Annotated[Literal["in", "out"] | None, BeforeValidator(_lower)] = None
    claimed_badge: Badge | None = Field(default=None, description="badge shown with the face")

    def claim(self) -> CaptureClaim:
        """Return it in the words of the domain."""
        return CaptureClaim(
            capture_id=self.capture_id,
            device_sequence=self.device_sequence,
            clocks=ClockReadings(
                captured_at=self.captured_at,
                device_now=self.device_now,
                monotonic_ms=self.monotonic_ms,
                boot_id=self.boot_id,
                monotonic_now_ms=self.monotonic_now_ms,
                boot_id_now=self.boot_id_now,
            ),
            direction=Direction(self.direction.upper()) if self.direction else None,
            claimed_badge=self.claimed_badge,
        )


class EnrolmentMetadata(BaseModel):
    """Whom the photos show, and where their consent is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_id: Identifier
    consent_reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
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
    """The capture is kept, whatever fails from now on; the device may delete it."""

    capture_id: UUID
    received_at: datetime = Field(description="of the first acceptance, UTC")
    status_url: str
    device_sequence_acknowledged: int | None = Field(
        description="highest device_sequence up to which nothing is missing; null when that is not known now"
    )


class EnrolmentAnswer(BaseModel):
    """The photos are kept; whether they became templates is told at the status_url."""

    enrolment_id: UUID
    status_url: str


class ImportAnswer(BaseModel):
    """All lines of the file are recorded."""

    kind: str
    recorded: int = Field(description="new or changed")
    unchanged: int = Field(description="said what was recorded already")
