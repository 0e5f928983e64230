from datetime import timedelta
from uuid import UUID

import pytest

from attendance_schemas.topics import CAPTURES
from ingest.captures.accept_capture import CaptureDesk, accept_capture
from ingest.domain.acceptable_image import ImageLimits
from ingest.domain.capture import CaptureClaim, Device
from ingest.domain.time_trust import ClockReadings
from ingest.errors import AcceptanceUnreadable, AlreadyAccepted, RefusedImage
from service_kit.errors import TransientFailure

GATE = Device(device_id="gate-1", org_id="acme", site_id="pune")


@pytest.fixture
def desk(images, publisher, sequences, clock) -> CaptureDesk:
    limits = ImageLimits(size_bytes=10**6, pixels=10**6, least_side_px=9)
    return CaptureDesk(images, publisher, sequences, clock, limits, timedelta(days=62))


@pytest.fixture
def claim(new_capture_id, now) -> CaptureClaim:
    return CaptureClaim(new_capture_id(), 1, ClockReadings(now, device_now=now))


async def test_a_capture_is_stored_then_published_then_counted(
    claim, desk, journal, images, publisher, picture
):
    accepted = await accept_capture(claim, GATE, picture(), desk)
    assert journal.steps == ["put accepted", "put captures", "publish", "count"]
    assert publisher.published == [(CAPTURES, accepted.event)]
    assert images.objects[accepted.event.image.key][0] == picture()
    assert (accepted.resent, accepted.acknowledged_sequence) == (False, 1)


async def test_a_resend_gives_the_same_event_days_later(claim, desk, publisher, picture, clock, now):
    first = await accept_capture(claim, GATE, picture(), desk)
    clock.advance(days=3)
    later = CaptureClaim(claim.capture_id, 1, ClockReadings(now, monotonic_now_ms=9, boot_id_now="b"))
    moved = Device("gate-1", "acme", "mumbai")
    second = await accept_capture(later, moved, picture(exif=b"Exif\0\0"), desk)
    assert second.event == first.event
    assert second.resent
    assert publisher.published[0] == publisher.published[1]


async def test_a_resend_after_a_failed_publish_is_published(claim, desk, publisher, picture):
    publisher.is_away = True
    with pytest.raises(TransientFailure):
        await accept_capture(claim, GATE, picture(), desk)
    publisher.is_away = False
    accepted = await accept_capture(claim, GATE, picture(), desk)
    assert publisher.published == [(CAPTURES, accepted.event)]


async def test_another_image_under_the_same_id_is_refused(claim, desk, publisher, picture):
    await accept_capture(claim, GATE, picture(), desk)
    with pytest.raises(AlreadyAccepted, match=str(claim.capture_id)):
        await accept_capture(claim, GATE, picture(seed=2), desk)
    assert len(publisher.published) == 1


async def test_the_id_of_another_device_is_refused(claim, desk, picture):
    await accept_capture(claim, GATE, picture(), desk)
    with pytest.raises(AlreadyAccepted, match="already a capture with other content"):
        await accept_capture(claim, Device("gate-9", "acme", "pune"), picture(), desk)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"kind": "Nothing", "event": {}}'])
async def test_an_object_of_somebody_else_is_not_taken_for_a_capture(claim, desk, images, picture, data):
    images.objects[f"accepted/acme/{claim.capture_id}"] = (data, "application/json")
    with pytest.raises(AcceptanceUnreadable):
        await accept_capture(claim, GATE, picture(), desk)


async def test_nothing_is_stored_of_a_refused_image(claim, desk, journal):
    with pytest.raises(RefusedImage):
        await accept_capture(claim, GATE, b"GIF89a", desk)
    assert journal.steps == []


async def test_nothing_is_published_while_the_store_is_away(claim, desk, images, publisher, picture):
    images.is_away = True
    with pytest.raises(TransientFailure):
        await accept_capture(claim, GATE, picture(), desk)
    assert publisher.published == []


async def test_unknown_sequences_do_not_hold_up_captures(claim, desk, sequences, publisher, picture):
    sequences.is_away = True
    accepted = await accept_capture(claim, GATE, picture(), desk)
    assert accepted.acknowledged_sequence is None
    assert len(publisher.published) == 1


async def test_a_gap_is_not_acknowledged(desk, picture, new_capture_id, now):
    answers = []
    for sequence in (1, 2, 4, 5, 3):
        claim = CaptureClaim(UUID(int=new_capture_id().int), sequence, ClockReadings(now, device_now=now))
        answers.append((await accept_capture(claim, GATE, picture(), desk)).acknowledged_sequence)
    assert answers == [1, 2, 2, 2, 5]
