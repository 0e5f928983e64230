"""Whether today's schemas can read everything that any release wrote (backward-transitive).

Of a topic that is FULL_TRANSITIVE, every release must also read what today's schema writes. The oracle is the
reference implementation, `avro`; the codec's library has no say in it. Releases are folders under
`schemas/released/VERSION`, written once by `attendance-schemas release` and never edited.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.topics import FULL_TRANSITIVE, TOPICS

READ_BY_OTHERS = frozenset(
    name for topic in TOPICS.values() if topic.compatibility == FULL_TRANSITIVE for name in topic.events
)


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A reader of today that cannot read what `version` wrote; `is_forward`: the other way round."""

    event_name: str
    version: str
    reasons: tuple[str, ...]
    is_forward: bool = False

    def __str__(self) -> str:
        readers = f"release {self.version}", "today's schema"
        reader, writer = readers if self.is_forward else readers[::-1]
        return f"{self.event_name}: {reader} cannot read what {writer} writes: {'; '.join(self.reasons)}"


def version_key(version: str) -> tuple[int, ...]:
    """Return the order of a release, "1.10.0" after "1.9.0"."""
    return tuple(int(part) for part in version.split("."))


def releases(folder: Path) -> list[Path]:
    """Return the release folders, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if path.is_dir()), key=lambda path: version_key(path.name)
    )


def incompatibilities(current: Path, released: Path) -> list[Incompatibility]:
    """Compare the schemas in `current` with every release; a dropped schema is an incompatibility."""
    found = []
    for release in releases(released):
        for released_file in sorted(release.glob("*.avsc")):
            name = released_file.stem
            current_file = current / released_file.name
            if not current_file.exists():
                found.append(Incompatibility(name, release.name, ("the schema was removed",)))
                continue
            if reasons := _cannot_read(_without_words_for_unknown(current_file), _text(released_file)):
                found.append(Incompatibility(name, release.name, reasons))
            if name in READ_BY_OTHERS and (
                reasons := _cannot_read(_text(released_file), _text(current_file))
            ):
                found.append(Incompatibility(name, release.name, reasons, is_forward=True))
    return found


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _without_words_for_unknown(file: Path) -> str:
    """Return a schema that knows every word or does not read it: what was written once has its own word."""
    return json.dumps(json.loads(_text(file), object_hook=_without_enum_default))


def _without_enum_default(part: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in part.items() if part.get("type") != "enum" or name != "default"}


def _cannot_read(reader_text: str, writer_text: str) -> tuple[str, ...]:
    """Return why the one schema does not read what the other wrote; nothing when it does."""
    reader, writer = avro.schema.parse(reader_text), avro.schema.parse(writer_text)
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(reader, writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ()
    return tuple(sorted(result.messages | {f"at {where}" for where in result.locations}))


def write_release(current: Path, released: Path, version: str) -> Path:
    """Copy the schemas in `current` to a new release folder. Raises SchemaError when it exists or breaks."""
    target = released / version
    if target.exists():
        raise SchemaError(f"release {version} exists; releases are never edited, take the next version")
    if broken := incompatibilities(current, released):
        raise SchemaError("; ".join(map(str, broken)))
    target.mkdir(parents=True)
    for name in EVENT_BY_NAME:
        text = (current / f"{name}.avsc").read_text(encoding="utf-8")
        json.loads(text)
        shutil.copyfile(current / f"{name}.avsc", target / f"{name}.avsc")
    return target
