from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from attendance_schemas.codec import encode_body
from attendance_schemas.events import CaptureReceived, Direction, TimeTrust
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG
from ingest.domain.acceptable_image import ImageLimits, clean_image
from ingest.domain.capture import CaptureClaim, Device, decide_capture, topic_of
from ingest.domain.identifiers import capture_key, photo_key, time_of
from ingest.domain.time_trust import ClockReadings


def decide(capture_id, picture, now, *, age=timedelta(0), **fields) -> CaptureReceived:
    device = Device(
        **{"device_id": "gate-1", "org_id": "acme", "site_id": "pune"}
        | {name: fields.pop(name) for name in ("device_id", "org_id", "site_id") if name in fields}
    )
    claim = CaptureClaim(
        capture_id=capture_id, device_sequence=7, clocks=ClockReadings(now - age, device_now=now), **fields
    )
    image = clean_image(picture(), ImageLimits(size_bytes=10**7, pixels=10**6, least_side_px=9))
    return decide_capture(claim, device, image, bucket="images", received_at=now)


def test_the_event_follows_from_the_capture(new_capture_id, picture, now):
    capture_id = new_capture_id()
    event = decide(capture_id, picture, now, direction=Direction.OUT, claimed_badge="B 7")
    assert event.event_id == deterministic_id("CaptureReceived", "acme", capture_id)
    assert (event.org_id, event.device_id, event.site_id) == ("acme", "gate-1", "pune")
    assert (event.occurred_at, event.recorded_at, event.time_trust) == (now, now, TimeTrust.SYNCED)
    assert (event.direction, event.claimed_badge, event.clock_offset_ms) == (Direction.OUT, "B 7", 0)
    assert event.image.key == f"captures/acme/2026/03/02/{capture_id}"
    assert (event.image.width, event.image.height, event.image.media_type) == (48, 36, "image/jpeg")
    assert encode_body(event)


@pytest.mark.parametrize(
    ("age", "topic"),
    [
        (timedelta(0), CAPTURES),
        (timedelta(minutes=2) - timedelta(microseconds=1), CAPTURES),
        (timedelta(minutes=2), CAPTURES_BACKLOG),
        (timedelta(days=3), CAPTURES_BACKLOG),
        (timedelta(days=300), CAPTURES_BACKLOG),
    ],
)
def test_only_fresh_captures_are_live(new_capture_id, picture, now, age, topic):
    assert topic_of(decide(new_capture_id(), picture, now, age=age)) is topic


def test_the_key_has_the_day_of_the_id(new_capture_id):
    late = new_capture_id(datetime(2025, 12, 31, 23, 59, 59, 999000, tzinfo=UTC))
    assert capture_key("acme", late) == f"captures/acme/2025/12/31/{late}"
    assert photo_key("acme", "p-1", late, 3) == f"enrolments/acme/p-1/{late}/3"


def test_only_version_7_has_a_time(new_capture_id, now):
    assert time_of(new_capture_id()) == now
    assert time_of(uuid4()) is None
    assert time_of(UUID(int=(2**48 - 1) << 80 | 7 << 76 | 2 << 62)) is None
    with pytest.raises(ValueError, match="no UUIDv7"):
        capture_key("acme", uuid4())
