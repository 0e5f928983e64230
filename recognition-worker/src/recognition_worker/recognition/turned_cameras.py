"""Tells about cameras whose images had to be turned to find a face.

Each such decision names the setting that would spare the second look, a metric counts them, and a camera of
which several in a row were turned by as much is logged once. One alone may be a person who bent down.
"""

from recognition_worker.domain.identity import Device
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.results import FaceUsed
from service_kit.observing.logs import get_logger

TOLD_AFTER = 3
_FULL_TURN = 360
log = get_logger(__name__)


class TurnedCameras:
    """What was seen of each camera lately. Not thread-safe."""

    def __init__(self, metrics: RecognitionMetrics) -> None:
        self._metrics = metrics
        # Of cameras whose last face stood turned: by how much, and how many in a row.
        self._in_a_row: dict[Device, tuple[int, int]] = {}

    def notes(self, device: Device, face: FaceUsed | None, recorded_degrees: int) -> tuple[str, ...]:
        """Take in a capture; return what its decision says about the camera.

        recorded_degrees: by how much the directory has its images turned.
        """
        if face is None:
            return ()
        if not face.turned_degrees:
            self._in_a_row.pop(device, None)
            return ()
        self._metrics.turned_captures.labels(str(face.turned_degrees)).inc()
        needed = (recorded_degrees + face.turned_degrees) % _FULL_TURN
        self._tell(device, needed)
        return (
            f"the face was found in the image turned by {face.turned_degrees} degrees: if this repeats, "
            f"turn the camera, or set image_turn_degrees of device {device.device_id} to {needed}",
        )

    def _tell(self, device: Device, needed: int) -> None:
        last, count = self._in_a_row.get(device, (needed, 0))
        count = count + 1 if last == needed else 1
        self._in_a_row[device] = needed, count
        if count == TOLD_AFTER:
            log.warning(
                "a camera is turned, and its captures take longer: hang it upright, or set its "
                "image_turn_degrees in the directory",
                org_id=device.org_id,
                device_id=device.device_id,
                image_turn_degrees=needed,
                captures=count,
            )
