"""Events to bytes and back: Avro in Confluent framing (byte 0, 4-byte schema id, body).

Writing needs schemas that the registry has under their ids, looked up once by `prepare`; nothing is
registered here, that is the work of `attendance-schemas apply`. Reading resolves the writer's schema to ours.
The texts that this version knows lie in its package; only a newer version's is asked for, once by id.
"""

import io
import json
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

import fastavro
import msgspec

from attendance_schemas.errors import SchemaError, SchemaNotRegistered, SchemaUnknown, UndecodableRecord
from attendance_schemas.events import EVENT_BY_NAME, Event, from_fields, from_wire, to_fields
from attendance_schemas.schema_files import registered_texts, schema_text
from attendance_schemas.topics import Topic

MAGIC = 0
FRAME = struct.Struct(">bI")
NAMESPACE = "attendance"
# So long an unknown id may be a registry that is being restored; later it is a record that nobody can read.
RESTORED_WITHIN_SECONDS = 600.0
# Records of an unknown id may be many; the registry is asked about it so often.
ASKED_AGAIN_AFTER_SECONDS = 1.0


class _Unknown(NamedTuple):
    answer: str
    since: float
    asked_at: float


class SchemaSource(Protocol):
    """Where schemas are looked up: the registry, or a fake in tests."""

    async def schema_by_id(self, schema_id: int) -> str:
        """Return the schema text of an id."""
        ...

    async def id_of(self, subject: str, schema: str) -> int:
        """Return the id of a registered schema."""
        ...


@cache
def _parsed(event_name: str) -> Any:
    return fastavro.parse_schema(json.loads(schema_text(event_name)))


@cache
def _with_uuids_as_text(event_name: str) -> Any:
    """Return the schema for reading what this version wrote: msgspec makes UUIDs faster than fastavro."""
    return fastavro.parse_schema(json.loads(schema_text(event_name), object_hook=_without_uuid))


def _without_uuid(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if (name, value) != ("logicalType", "uuid")}


@cache
def _named_branches(event_name: str) -> Mapping[str, str]:
    """Return the fields that are null or of a named type, with that name.

    Told the name, fastavro does not find out by trying: a changed day is written in two thirds of the time.
    """
    branches: dict[str, str] = {}
    for field in _parsed(event_name)["fields"]:
        match field["type"]:
            case ["null", {"name": str(name)}]:
                branches[field["name"]] = name
            case ["null", str(name)] if "." in name:
                branches[field["name"]] = name
    return branches


def subject_of(topic_name: str, event_name: str) -> str:
    """Return the registry subject of an event on a topic (TopicRecordNameStrategy)."""
    return f"{topic_name}-{NAMESPACE}.{event_name}"


def encode_body(event: Event) -> bytes:
    """Return the Avro body of an event, without framing."""
    name, fields, buffer = type(event).__name__, to_fields(event), io.BytesIO()
    match fields.get("authority"):
        case {"sites": tuple() as sites, **others}:
            # In a union, fastavro takes a tuple for a branch and its value.
            fields["authority"] = {**others, "sites": list(sites)}
    for field, branch in _named_branches(name).items():
        if (value := fields[field]) is not None:
            fields[field] = (branch, value)
    try:
        fastavro.schemaless_writer(buffer, _parsed(name), fields, strict=True)
    except (ValueError, TypeError) as error:
        raise SchemaError(f"{name} {event.event_id} does not fit its schema: {error}") from error
    return buffer.getvalue()


class Codec:
    """Encode and decode events.

    prefix: put before topic names (tests, shared clusters). clock: seconds that only grow.
    """

    def __init__(
        self, registry: SchemaSource, *, prefix: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._prefix = prefix
        self._clock = clock
        self._unknown: dict[int, _Unknown] = {}
        self._writer_ids: dict[tuple[str, str], int] = {}
        self._writer_schemas: dict[int, Any] = {}

    async def prepare(self, topics: Iterable[Topic]) -> None:
        """Look up the ids of every event of these topics.

        Raises SchemaNotRegistered or RegistryUnavailable.
        """
        for topic in topics:
            for name in topic.events:
                subject = subject_of(self._prefix + topic.name, name)
                self._writer_ids[topic.name, name] = await self._registry.id_of(subject, schema_text(name))

    def encode(self, event: Event, topic: Topic) -> bytes:
        """Return the framed value of an event for a prepared topic."""
        name = type(event).__name__
        try:
            schema_id = self._writer_ids[topic.name, name]
        except KeyError:
            raise SchemaError(f"{name} on {topic.name} was not prepared for writing") from None
        return FRAME.pack(MAGIC, schema_id) + encode_body(event)

    async def names_an_event(self, value: bytes) -> bool:
        """Tell whether the frame of a value names the schema of an event; the body is not looked at.

        Raises SchemaUnknown (it may become known) or RegistryUnavailable.
        """
        if len(value) <= FRAME.size or value[0] != MAGIC:
            return False
        _, schema_id = FRAME.unpack_from(value)
        writer = await self._writer_schema(schema_id)
        return str(writer["name"]).removeprefix(f"{NAMESPACE}.") in EVENT_BY_NAME

    async def decode(self, value: bytes | None) -> Event:
        """Return the event of a framed value.

        Raises UndecodableRecord, SchemaUnknown (it may become known) or RegistryUnavailable.
        """
        if value is None or len(value) <= FRAME.size or value[0] != MAGIC:
            raise UndecodableRecord("the value is not Avro in Confluent framing (byte 0, schema id, body)")
        _, schema_id = FRAME.unpack_from(value)
        writer = await self._writer_schema(schema_id)
        event_name = str(writer["name"]).removeprefix(f"{NAMESPACE}.")
        if event_name not in EVENT_BY_NAME:
            raise UndecodableRecord(
                f"schema id {schema_id} is {writer['name']}, which this version does not know"
            )
        body = io.BytesIO(value[FRAME.size :])
        try:
            if writer is _parsed(event_name):
                ours: Any = fastavro.schemaless_reader(body, _with_uuids_as_text(event_name), None)
                event = from_wire(EVENT_BY_NAME[event_name], ours)
            else:
                fields = fastavro.schemaless_reader(body, writer, _parsed(event_name))
                event = from_fields(EVENT_BY_NAME[event_name], fields)
        except fastavro.read.SchemaResolutionError as error:
            raise UndecodableRecord(
                f"a newer version wrote this {event_name}: {error}. Update this service, then consume its "
                "dead letters again"
            ) from error
        except (
            ValueError,
            TypeError,
            EOFError,
            KeyError,
            IndexError,
            OverflowError,
            msgspec.ValidationError,
            fastavro.schema.SchemaParseException,
        ) as error:
            raise UndecodableRecord(f"the body does not read as {event_name}: {error!r}") from error
        if body.read(1):
            raise UndecodableRecord(f"bytes are left after the {event_name}")
        return event

    async def _writer_schema(self, schema_id: int) -> Any:
        if schema_id not in self._writer_schemas:
            text = registered_texts().get(schema_id) or await self._text_of_another_version(schema_id)
            parsed: Any = fastavro.parse_schema(json.loads(text))
            name = str(parsed["name"]).removeprefix(f"{NAMESPACE}.")
            # The same object for writer and reader says that nothing is to be resolved: a third of the time.
            is_ours = name in EVENT_BY_NAME and parsed == _parsed(name)
            self._writer_schemas[schema_id] = _parsed(name) if is_ours else parsed
        return self._writer_schemas[schema_id]

    async def _text_of_another_version(self, schema_id: int) -> str:
        now = self._clock()
        unknown = self._unknown.get(schema_id)
        if unknown is None or now - unknown.asked_at >= ASKED_AGAIN_AFTER_SECONDS:
            try:
                return await self._registry.schema_by_id(schema_id)
            except SchemaNotRegistered as error:
                unknown = _Unknown(str(error), now if unknown is None else unknown.since, asked_at=now)
                self._unknown[schema_id] = unknown
        unknown_for = now - unknown.since
        if unknown_for >= RESTORED_WITHIN_SECONDS:
            raise UndecodableRecord(unknown.answer)
        limit = f"{RESTORED_WITHIN_SECONDS:g} s"
        raise SchemaUnknown(
            f"{unknown.answer}; unknown for {unknown_for:.0f} s, given up after {limit}. "
            "If it was emptied, run `attendance-schemas apply` of the newest version"
        )
