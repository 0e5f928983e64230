"""Golden examples: `schemas/examples/EVENT/NAME.json`, read by the tests of every consumer.

Beside each lies `NAME.hex`, its Avro body: it pins the bytes on the wire.
"""

from collections.abc import Iterator
from importlib.resources import files

import msgspec

from attendance_schemas.events import EVENT_BY_NAME, Event


def golden_examples(*event_types: type[Event]) -> Iterator[tuple[str, Event, bytes]]:
    """Yield `EVENT/NAME`, the event and its Avro body, for these types or for all."""
    names = {event_type.__name__ for event_type in event_types} or set(EVENT_BY_NAME)
    root = files("attendance_schemas").joinpath("examples")
    for folder in sorted(root.iterdir(), key=lambda path: path.name):
        if folder.name not in names:
            continue
        for entry in sorted(folder.iterdir(), key=lambda path: path.name):
            if not entry.name.endswith(".json"):
                continue
            stem = entry.name.removesuffix(".json")
            event = msgspec.json.decode(entry.read_bytes(), type=EVENT_BY_NAME[folder.name])
            body = bytes.fromhex(folder.joinpath(f"{stem}.hex").read_text(encoding="ascii"))
            yield f"{folder.name}/{stem}", event, body
