"""Which fields of events tell more of a person than an operator needs: the schemas mark them `sensitivity`.

Who may not see them gets a mask in their place, in what is shown and in what is searched alike.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.schema_files import schema_text
from attendance_schemas.topics import Topic

MASK = "***"
Path = tuple[str, ...]


@cache
def sensitive_paths(event_name: str) -> Mapping[Path, str]:
    """Return the marked fields of an event, each with its kind; names within records and lists are joined."""
    return dict(_marked(json.loads(schema_text(event_name)), ()))


@cache
def kinds() -> frozenset[str]:
    """Return every kind of sensitivity that a schema names."""
    return frozenset(kind for name in EVENT_BY_NAME for kind in sensitive_paths(name).values())


def masked(event_name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event with a mask for each value that is marked; null stays null."""
    shown: dict[str, Any] = _masked(fields, _tree_of(event_name))
    return shown


def masked_key(topic: Topic, key: bytes) -> str:
    """Return a record key as text, with a mask for each marked field, or for a key of another form."""
    found = topic.fields_of(key)
    if found is None:
        return MASK
    event_name, fields = found
    shown = {name: MASK if (name,) in sensitive_paths(event_name) else text for name, text in fields.items()}
    return topic.events[event_name].format_map(shown)


def sensitive_values(event_name: str, fields: Mapping[str, Any]) -> set[str]:
    """Return what is masked of an event, as text: errors and logs may repeat it."""
    marked = sensitive_paths(event_name)
    return {str(value) for path, value in _leaves(fields, ()) if path in marked and value not in (None, "")}


def _marked(part: Any, at: Path, named: dict[str, Any] | None = None) -> Iterator[tuple[Path, str]]:
    """Yield what is marked below a part of a schema; a type that has a name may be used again by it."""
    named = {} if named is None else named
    match part:
        case list():
            for branch in part:
                yield from _marked(branch, at, named)
        case str() if part in named:
            yield from _marked(named[part], at, named)
        case {"type": "record", "name": name, "fields": fields}:
            named |= {name: part, f"attendance.{name}": part}
            for field in fields:
                path = (*at, field["name"])
                if "sensitivity" in field:
                    yield path, field["sensitivity"]
                yield from _marked(field["type"], path, named)
        case {"items": within} | {"values": within} | {"type": dict() | list() as within}:
            yield from _marked(within, at, named)


@cache
def _tree_of(event_name: str) -> dict[str, Any]:
    """Return the marked fields by their names, those of records below these; below a marked one is none."""
    tree: dict[str, Any] = {}
    for path in sensitive_paths(event_name):
        below = tree
        for name in path:
            below = below.setdefault(name, {})
    return tree


def _masked(value: Any, tree: Mapping[str, Any]) -> Any:
    """Return a record, or each of a list, with a mask for what the tree names; all else stays as it is."""
    if isinstance(value, list | tuple):
        return [_masked(part, tree) for part in value]
    if not isinstance(value, Mapping):
        return value
    shown = dict(value)
    for name, below in tree.items():
        if shown.get(name) is not None:
            shown[name] = _masked(shown[name], below) if below else MASK
    return shown


def _leaves(value: Any, at: Path) -> Iterator[tuple[Path, Any]]:
    match value:
        case Mapping():
            for name, part in value.items():
                yield from _leaves(part, (*at, name))
        case list() | tuple():
            for part in value:
                yield from _leaves(part, at)
        case _:
            yield at, value
