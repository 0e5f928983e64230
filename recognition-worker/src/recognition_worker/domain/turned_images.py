"""Turns of images by quarters: what an EXIF orientation becomes, and by how much devices' images are turned.

A device says in EXIF how it was held, and ops says in the directory how its camera hangs. Both together are
an EXIF orientation again, so a setting costs nothing: decoding turns images anyway.
"""

from recognition_worker.domain.identity import Device

QUARTER = 90
QUARTER_TURNS = (0, 90, 180, 270)
# Each turned clockwise by a quarter more than the one before it; the second ones mirrored first. Source:
# EXIF 2.32, tag 0x0112.
_CYCLES = ((1, 6, 3, 8), (2, 7, 4, 5))


def turned_clockwise(orientation: int, degrees: int) -> int:
    """Return the EXIF orientation that turns an image by its own orientation, then by degrees clockwise.

    An impossible orientation stays as it is: the decoder refuses it.
    """
    quarters = degrees // QUARTER
    for cycle in _CYCLES:
        if orientation in cycle:
            return cycle[(cycle.index(orientation) + quarters) % len(cycle)]
    return orientation


def turned_back(x: float, y: float, degrees: int) -> tuple[float, float]:
    """Return where a place of an image that was turned clockwise lies in the image as it was.

    Both as shares of the width and the height, from the upper left corner.
    """
    for _ in range(degrees // QUARTER):
        x, y = y, 1 - x
    return x, y


class CameraTurns:
    """By how many degrees clockwise the images of devices are turned, as the directory records it."""

    def __init__(self) -> None:
        # Only of those that are turned.
        self._degrees: dict[Device, int] = {}

    def record(self, device: Device, degrees: int) -> None:
        """Take in a device.

        Raises:
            ValueError: the turn is none of QUARTER_TURNS.
        """
        if degrees not in QUARTER_TURNS:
            raise ValueError(f"the images of device {device.device_id} cannot be turned by {degrees} degrees")
        self._degrees.pop(device, None)
        if degrees:
            self._degrees[device] = degrees

    def forget(self, device: Device) -> None:
        """Take a device out."""
        self._degrees.pop(device, None)

    def degrees_of(self, device: Device) -> int:
        """Return the turn of a device; 0 for one that is not recorded."""
        return self._degrees.get(device, 0)
