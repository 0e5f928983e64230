import json
import types
import typing
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

import msgspec
import pytest

from attendance_schemas.events import EVENT_TYPES
from attendance_schemas.schema_files import schema_text
from attendance_schemas.topics import TOPICS

PLAIN = {str: "string", int: "int", float: "double", bool: "boolean", bytes: "bytes"}
LOGICAL = {UUID: "uuid", datetime: "timestamp-micros", date: "date", time: "time-millis"}


def expected_types(python_type: object) -> set[str]:
    """Names of the Avro types that a Python annotation stands for."""
    origin = typing.get_origin(python_type)
    if origin is typing.Annotated:
        return expected_types(typing.get_args(python_type)[0])
    if origin is types.UnionType or origin is typing.Union:
        return set().union(*(expected_types(arm) for arm in typing.get_args(python_type)))
    if origin is tuple:
        return {"array"}
    if origin is dict:
        return {"map"}
    if python_type is type(None):
        return {"null"}
    if python_type in LOGICAL:
        return {LOGICAL[python_type]}
    if python_type is int:
        return {"int", "long"}
    if python_type in PLAIN:
        return {PLAIN[python_type]}
    assert isinstance(python_type, type)
    return {python_type.__name__}


def avro_types(schema: object) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(avro_types(arm) for arm in schema))
    if isinstance(schema, str):
        return {schema}
    assert isinstance(schema, dict)
    if "logicalType" in schema:
        return {schema["logicalType"]}
    return {schema["name"] if schema["type"] in {"record", "enum"} else schema["type"]}


def nested(schema: object):
    if isinstance(schema, list):
        for arm in schema:
            yield from nested(arm)
    elif isinstance(schema, dict):
        if schema["type"] in {"record", "enum"}:
            yield schema
        for field in schema.get("fields", []):
            yield from nested(field["type"])
        if schema["type"] == "array":
            yield from nested(schema["items"])


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_struct_equals_schema(event_type):
    schema = json.loads(schema_text(event_type.__name__))
    assert schema["name"] == event_type.__name__
    by_name = {field["name"]: field for field in schema["fields"]}
    hints = typing.get_type_hints(event_type, include_extras=True)
    assert set(by_name) == set(hints)
    for name, hint in hints.items():
        found, expected = avro_types(by_name[name]["type"]), expected_types(hint)
        assert found <= expected, name
        assert ("null" in found) == ("null" in expected), name
        assert by_name[name]["doc"], f"{name} has no doc"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_defaults_equal_the_schema(event_type):
    schema = json.loads(schema_text(event_type.__name__))
    by_name = {field["name"]: field for field in schema["fields"]}
    for field in msgspec.structs.fields(event_type):
        declared = "default" in by_name[field.name]
        assert field.required != declared, field.name
        if declared:
            default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            assert msgspec.json.decode(msgspec.json.encode(default)) == by_name[field.name]["default"], (
                field.name
            )


def test_enums_and_shared_types_are_the_same_in_every_schema():
    seen: dict[str, object] = {}
    events = __import__("attendance_schemas.events", fromlist=["x"])
    for event_type in EVENT_TYPES:
        for schema in nested(json.loads(schema_text(event_type.__name__))):
            if schema["type"] == "enum":
                enum: type[StrEnum] = getattr(events, schema["name"])
                assert schema["symbols"] == [member.value for member in enum]
            if schema["name"] != event_type.__name__:
                assert seen.setdefault(schema["name"], schema) == schema


def test_every_event_is_on_a_topic():
    on_topics = {name for topic in TOPICS.values() for name in topic.events}
    assert on_topics == {event_type.__name__ for event_type in EVENT_TYPES}


def test_every_schema_has_a_golden_example():
    from attendance_schemas.golden import golden_examples

    shown = {name.split("/")[0] for name, _, _ in golden_examples()}
    assert shown == {event_type.__name__ for event_type in EVENT_TYPES}
