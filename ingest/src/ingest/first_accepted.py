"""What was decided at the first acceptance of something without an image, kept in the object store.

A resend finds it there and repeats it, so that the same id always gives the same event.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from attendance_schemas.events import Event
from ingest.errors import AlreadyAccepted, ManifestUnreadable
from ingest.ports import ImageStore

JSON = "application/json"
E = TypeVar("E", bound=Event)


async def first_accepted(
    event: E, key: str, store: ImageStore, is_same: Callable[[E, E], bool]
) -> tuple[E, bool]:
    """Return what was decided first under a key, and whether that was at an earlier request.

    Raises AlreadyAccepted when something else was.
    """
    is_new = await store.put_new(
        key, msgspec.json.encode(event), media_type=JSON, manifest=event.event_id.hex
    )
    if is_new:
        return event, False
    first = _read(key, await store.read(key), type(event))
    if not is_same(first, event):
        raise AlreadyAccepted(f"{key} was accepted with other content; give this one a new id")
    return first, True


def _read(key: str, data: bytes, event_type: type[E]) -> E:
    try:
        return msgspec.json.decode(data, type=event_type)
    except (msgspec.DecodeError, ValueError) as error:
        raise ManifestUnreadable(
            f"{key} is in the object store without a readable decision; ops: find out who put it there"
        ) from error
