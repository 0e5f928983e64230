"""Whether today's schemas can read everything that any release wrote (backward-transitive).

The oracle is the reference implementation, `avro`; the codec's library has no say in it. Releases are folders
under `schemas/released/VERSION`, written once by `attendance-schemas release` and never edited.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import EVENT_BY_NAME


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A reader of today that cannot read what `version` wrote."""

    event_name: str
    version: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.event_name} cannot read release {self.version}: {'; '.join(self.reasons)}"


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
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    for release in releases(released):
        for writer_file in sorted(release.glob("*.avsc")):
            reader_file = current / writer_file.name
            name = writer_file.stem
            if not reader_file.exists():
                found.append(Incompatibility(name, release.name, ("the schema was removed",)))
                continue
            reader = avro.schema.parse(reader_file.read_text(encoding="utf-8"))
            writer = avro.schema.parse(writer_file.read_text(encoding="utf-8"))
            result = checker.get_compatibility(reader, writer)
            if result.compatibility is not SchemaCompatibilityType.compatible:
                reasons = sorted(result.messages | {f"at {where}" for where in result.locations})
                found.append(Incompatibility(name, release.name, tuple(reasons)))
    return found


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
