"""What was decided at the first acceptance, as text stored with the image, so that a resend repeats it.

The whole event travels: base64url of its JSON, which passes headers and proxies unchanged. S3 keeps at most
2 KiB of user metadata with an object; the longest ids that are accepted stay below that.
"""

import base64
import binascii

import msgspec

from attendance_schemas.events import CaptureReceived, EnrolmentRequested
from ingest.errors import ManifestUnreadable


def capture_manifest(capture: CaptureReceived) -> str:
    """Return a capture as ASCII text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(capture)).decode("ascii")


def read_capture_manifest(key: str, text: str | None) -> CaptureReceived:
    """Return the capture that was stored under a key. Raises ManifestUnreadable."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text or ""), type=CaptureReceived)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise _unreadable(key) from error


def enrolment_manifest(enrolment: EnrolmentRequested) -> bytes:
    """Return an enrolment as JSON."""
    return msgspec.json.encode(enrolment)


def read_enrolment_manifest(key: str, data: bytes) -> EnrolmentRequested:
    """Return the enrolment that was stored under a key. Raises ManifestUnreadable."""
    try:
        return msgspec.json.decode(data, type=EnrolmentRequested)
    except (msgspec.DecodeError, ValueError) as error:
        raise _unreadable(key) from error


def _unreadable(key: str) -> ManifestUnreadable:
    return ManifestUnreadable(
        f"{key} is in the object store without a readable manifest; ops: find out who put it there"
    )
