"""Accept a capture: the only promise a device relies on. Once this returns, no outage loses the check-in."""

from dataclasses import dataclass
from datetime import timedelta

from attendance_schemas.events import CaptureReceived
from ingest.domain.acceptable_image import ImageLimits, clean_image
from ingest.domain.capture import CaptureClaim, Device, decide_capture, same_capture, topic_of
from ingest.first_accepted import first_accepted, refuse_reused_number, refuse_too_old
from ingest.ports import Clock, DeviceSequences, EventPublisher, ImageStore


@dataclass(frozen=True, slots=True)
class CaptureDesk:
    """What accepting a capture takes; `oldest`: so long ago it may have happened."""

    images: ImageStore
    publisher: EventPublisher
    sequences: DeviceSequences
    clock: Clock
    limits: ImageLimits
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class AcceptedCapture:
    """The event that was published, whether it had been accepted before, and what the device may forget."""

    event: CaptureReceived
    resent: bool
    acknowledged_sequence: int | None


async def accept_capture(
    claim: CaptureClaim, device: Device, data: bytes, desk: CaptureDesk
) -> AcceptedCapture:
    """Accept an image of a device.

    1. validate: type, size and pixels, from the header alone.
    2. strip: drop the metadata, keep the orientation.
    3. decide: when it happened, how far that is believed, where it lies.
    4. remember: keep the decision under the id; where one is kept already it holds, other content is refused.
    5. put: store the image, unless it is there.
    6. publish, and wait until every in-sync replica has it.
    7. count: tell the device up to which number nothing is missing.

    Raises:
        RefusedImage: steps 1 and 2; never try again.
        TooLongAgo: step 3; never try again.
        SequenceTaken: step 3; the number is of another capture or punch, try again with a new one.
        AlreadyAccepted: step 4; the id names something else.
        TransientFailure: the object store or Kafka is away; try again with the same id.
    """
    received_at = desk.clock()
    image = clean_image(data, desk.limits)
    event = decide_capture(claim, device, image, bucket=desk.images.bucket, received_at=received_at)
    await refuse_too_old(event, event.capture_id, desk.images, desk.oldest)
    await refuse_reused_number(event, event.capture_id, desk.images, desk.sequences)
    event, resent = await first_accepted(event, event.capture_id, desk.images, same_capture)
    await desk.images.put_new(event.image.key, image.data, media_type=image.media_type)
    await desk.publisher.publish(event, topic_of(event))
    acknowledged = await desk.sequences.record((event.org_id, event.device_id), event.device_sequence)
    return AcceptedCapture(event=event, resent=resent, acknowledged_sequence=acknowledged)
