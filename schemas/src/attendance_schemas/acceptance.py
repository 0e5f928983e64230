"""What an id was first accepted as, in the object store: ingest writes it, and who reconciles reads it.

The object `accepted/ORG/ID` is JSON: the name of the event's type, and the event. It is written once, before
the event is published, and repeated by every resend.
"""

from uuid import UUID

import msgspec

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import EVENT_BY_NAME, Event

MEDIA_TYPE = "application/json"
ACCEPTED, CAPTURES = "accepted/", "captures/"
"""What the keys of first acceptances and of captures' images begin with."""


class UnreadableAcceptance(SchemaError):
    """An object is not what ingest writes as a first acceptance."""


class _Accepted(msgspec.Struct, frozen=True):
    """An event as it is kept, and the name of its type."""

    kind: str
    event: msgspec.Raw


def accepted_key(org_id: str, identity: UUID) -> str:
    """Return the object key of what an id was first accepted as, whatever its kind."""
    return f"{ACCEPTED}{org_id}/{identity}"


def identity_of_key(key: str) -> tuple[str, UUID] | None:
    """Return the organisation and the id that an object key names; None: it is no acceptance and no image.

    Both begin with the organisation and end in the id.
    """
    parts = key.split("/")
    try:
        return parts[1], UUID(parts[-1])
    except (IndexError, ValueError):
        return None


def encode_accepted(event: Event) -> bytes:
    """Return an event as it is kept."""
    return msgspec.json.encode(_Accepted(type(event).__name__, msgspec.Raw(msgspec.json.encode(event))))


def decode_accepted(data: bytes) -> Event:
    """Return the event that is kept. Raises UnreadableAcceptance."""
    try:
        accepted = msgspec.json.decode(data, type=_Accepted)
        return msgspec.json.decode(accepted.event, type=EVENT_BY_NAME[accepted.kind])
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        raise UnreadableAcceptance(f"no readable event: {error}") from error
