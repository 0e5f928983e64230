"""The schemas and their ids, which travel together: an id follows from the text, the same in every registry.

`avro/EVENT.avsc` is the schema of today. `registered/EVENT/ID.avsc` is every text that somebody may have used
to write: who reads such a record needs no registry, and an emptied registry is filled from them again.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import EVENT_BY_NAME

# A registry counts up from 1 for everybody else; Confluent's framing has 31 bits to offer.
FIRST_ID, IDS = 1_000_000, 15_000_000


@cache
def schema_text(event_name: str) -> str:
    """Return the schema of an event as it is registered: one line of JSON."""
    return one_line(
        files("attendance_schemas").joinpath("avro", f"{event_name}.avsc").read_text(encoding="utf-8")
    )


def one_line(text: str) -> str:
    """Return a schema as it is registered."""
    return json.dumps(json.loads(text))


def id_of_text(text: str) -> int:
    """Return the id of a schema as it is registered."""
    return FIRST_ID + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % IDS


@cache
def registered_texts() -> Mapping[int, str]:
    """Return every text that anybody may have written with, by its id."""
    folder = Path(str(files("attendance_schemas").joinpath("registered")))
    return {int(path.stem): one_line(path.read_text(encoding="utf-8")) for path in _texts_in(folder)}


def _texts_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.avsc"))


def missing_ids(registered: Path, *schema_folders: Path) -> list[str]:
    """Say which schemas of the folders are not kept under their id, and which kept texts were changed."""
    kept = {path: one_line(path.read_text(encoding="utf-8")) for path in _texts_in(registered)}
    changed = [
        f"{path.parent.name}/{path.name} was changed; records name this id: put the text back"
        for path, text in kept.items()
        if path.stem != str(id_of_text(text))
    ]
    missing = [
        f"{path.parent.name}/{path.name} has no id; run `attendance-schemas number`"
        for folder in schema_folders
        for path in sorted(folder.glob("*.avsc"))
        if one_line(path.read_text(encoding="utf-8")) not in kept.values()
    ]
    return changed + missing


def number(current: Path, registered: Path) -> list[Path]:
    """Keep each schema of `current` under its id, and return the files written.

    Raises SchemaError when another text has the same id.
    """
    written = []
    known = {int(path.stem): one_line(path.read_text(encoding="utf-8")) for path in _texts_in(registered)}
    for name in EVENT_BY_NAME:
        source = (current / f"{name}.avsc").read_text(encoding="utf-8")
        identity = id_of_text(text := one_line(source))
        if known.setdefault(identity, text) != text:
            raise SchemaError(f"{name}: another schema has its id, {identity}; change a word of a doc")
        path = registered / name / f"{identity}.avsc"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
            written.append(path)
    return written
