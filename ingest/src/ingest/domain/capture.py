"""A capture as it is accepted: the event, and the topic it goes to. Decided once, then only repeated."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from attendance_schemas.events import Authority, CaptureReceived, Direction, ImageReference
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, Topic
from ingest.domain.acceptable_image import CleanImage
from ingest.domain.identifiers import capture_key
from ingest.domain.time_trust import ClockReadings, decide_time

LIVE_WINDOW = timedelta(minutes=2)
# What a resend must repeat, beside the image; everything else was decided at the first acceptance.
CLAIMED = ("captured_at", "direction", "claimed_badge", "device_id", "device_sequence")
DEVICE = "device"
"""The role of devices."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the directory knows it."""

    device_id: str
    org_id: str
    site_id: str

    @property
    def authority(self) -> Authority:
        """By which authority it sends: its own, at its site."""
        return Authority(subject=self.device_id, role=DEVICE, sites=(self.site_id,))


@dataclass(frozen=True, slots=True)
class CaptureClaim:
    """What a device says about one capture."""

    capture_id: UUID
    device_sequence: int
    clocks: ClockReadings
    direction: Direction | None = None
    claimed_badge: str | None = None


def decide_capture(
    claim: CaptureClaim, device: Device, image: CleanImage, *, bucket: str, received_at: datetime
) -> CaptureReceived:
    """Decide the event of a capture received for the first time at `received_at` (UTC)."""
    decided = decide_time(claim.clocks, received_at)
    return CaptureReceived(
        event_id=deterministic_id("CaptureReceived", device.org_id, claim.capture_id),
        occurred_at=decided.occurred_at,
        recorded_at=received_at,
        org_id=device.org_id,
        capture_id=claim.capture_id,
        device_id=device.device_id,
        site_id=device.site_id,
        device_sequence=claim.device_sequence,
        time_trust=decided.trust,
        image=reference_to(image, bucket=bucket, key=capture_key(device.org_id, claim.capture_id)),
        captured_at=claim.clocks.captured_at,
        direction=claim.direction,
        claimed_badge=claim.claimed_badge,
        clock_offset_ms=decided.clock_offset_ms,
        authority=device.authority,
    )


def reference_to(image: CleanImage, *, bucket: str, key: str) -> ImageReference:
    """Return how events refer to an image stored at `key`."""
    return ImageReference(
        bucket=bucket,
        key=key,
        sha256=image.sha256,
        media_type=image.media_type,
        size_bytes=len(image.data),
        width=image.width,
        height=image.height,
        orientation=image.orientation,
    )


def same_capture(first: CaptureReceived, second: CaptureReceived) -> bool:
    """Say whether two captures under one id claim the same and have the same image."""
    return first.image.sha256 == second.image.sha256 and all(
        getattr(first, name) == getattr(second, name) for name in CLAIMED
    )


def topic_of(capture: CaptureReceived) -> Topic:
    """Return where a capture goes; a function of the event alone, so that a resend goes to the same topic."""
    live = capture.recorded_at - capture.occurred_at < LIVE_WINDOW
    return CAPTURES if live else CAPTURES_BACKLOG
