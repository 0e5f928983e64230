"""The one fact of EXIF that outlives the upload: which way up the picture is.

Everything else in it (places, serial numbers, owners, thumbnails) is dropped with the segment.
"""

import struct

ORIENTATION_TAG = 0x0112  # TIFF 6.0, Orientation
SHORT = 3
ENTRY = 12
UPRIGHT = 1
HIGHEST_ORIENTATION = 8
EXIF_PREFIX = b"Exif\x00\x00"
BYTE_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
MAXIMUM_ENTRIES = 1024


def orientation_of(exif: bytes) -> int:
    """Return the orientation 1 to 8 of an EXIF block, with or without its "Exif" prefix; 1 by default."""
    tiff = exif.removeprefix(EXIF_PREFIX)
    order = BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for index in range(min(count, MAXIMUM_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + index * ENTRY)
            if tag == ORIENTATION_TAG and kind == SHORT:
                return value if UPRIGHT <= value <= HIGHEST_ORIENTATION else UPRIGHT
    except struct.error:
        return UPRIGHT
    return UPRIGHT
