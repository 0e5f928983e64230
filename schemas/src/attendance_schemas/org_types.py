"""Types of organisations, each a file: `schemas/org-types/NAME.yaml`, or one of an operator's own folder.

A type says what things are called, which policy holds where none was recorded, and which of the fixed roles
it uses. Its name is the file's. A field that is unknown or impossible is an error that names file and field.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import time
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from attendance_schemas.errors import SchemaError
from attendance_schemas.events.directory import Weekday

SUFFIX = ".yaml"
USUAL_TYPE = "company"
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Role = Literal["analyst", "supervisor", "hr", "ops", "auditor"]


class UnknownOrgType(SchemaError):
    """No file has this name: use one of those that the message names, or add a file."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a type file; unknown fields are errors."""


class Label(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one and several of a thing are called."""

    one: Text
    many: Text


class Labels(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What things are called where people read of them."""

    organisation: Label
    person: Label
    site: Label
    shift: Label
    capture: Label
    attendance_day: Label


class TypePolicy(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for everybody where no PolicyRecorded is in effect."""

    weekly_offs: tuple[Weekday, ...] = ()
    flexible_day_start: time | None = None
    expects_attendance: bool = False


class OrgType(_File, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A type of organisations. `policy` None: nothing holds until a policy is recorded."""

    description: Text
    labels: Labels
    roles: Mapping[Role, Text]
    policy: TypePolicy | None = None


def load_org_types(own: Path | None = None) -> Mapping[str, OrgType]:
    """Return the types by name: those of this package, and those of an operator's own folder.

    Raises SchemaError, naming the file and what is wrong with it.
    """
    types = _packaged()
    if own is None:
        return types
    if not own.is_dir():
        raise SchemaError(f"{own} is no folder; name one with files NAME{SUFFIX}, or none")
    added = _read(own.iterdir())
    if taken := sorted(types.keys() & added.keys()):
        raise SchemaError(f"{own / (taken[0] + SUFFIX)}: {taken[0]} is a type already; take another name")
    return {**types, **added}


def folder_of_org_types(own: Path | None) -> Path | None:
    """Return the folder if its types can be read: what a setting is checked with. Raises ValueError."""
    try:
        load_org_types(own)
    except SchemaError as error:
        raise ValueError(str(error)) from error
    return own


def org_type(types: Mapping[str, OrgType], name: str) -> OrgType:
    """Return a type by name. Raises UnknownOrgType, naming those that there are."""
    try:
        return types[name]
    except KeyError:
        known = ", ".join(sorted(types))
        raise UnknownOrgType(f"{name!r} is no type of organisations; there are {known}") from None


@cache
def _packaged() -> Mapping[str, OrgType]:
    return MappingProxyType(_read(files("attendance_schemas").joinpath("org-types").iterdir()))


def _read(entries: Iterable[Traversable]) -> dict[str, OrgType]:
    found = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        if not entry.name.endswith(SUFFIX):
            continue
        name = entry.name.removesuffix(SUFFIX)
        if not NAME.fullmatch(name):
            raise SchemaError(f"{entry}: name it with small letters, digits and hyphens")
        try:
            found[name] = msgspec.convert(yaml.safe_load(entry.read_text(encoding="utf-8")), OrgType)
        except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise SchemaError(f"{entry}: {error}") from error
    return found
