import io
import json
from datetime import UTC, datetime
from pathlib import Path

import avro.io
import avro.schema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_schemas.codec import FRAME, MAGIC, RESTORED_WITHIN_SECONDS, Codec, encode_body
from attendance_schemas.errors import (
    RegistryUnavailable,
    SchemaError,
    SchemaNotRegistered,
    SchemaUnknown,
    UndecodableRecord,
)
from attendance_schemas.events import CaptureReceived, Outcome, from_fields, to_fields
from attendance_schemas.golden import golden_examples
from attendance_schemas.schema_files import id_of_text, one_line, schema_text
from attendance_schemas.topics import CAPTURES, TOPICS
from attendance_testing.schema_enums import enums_of

RELEASED = Path(__file__).parents[2] / "released"
GOLDEN = list(golden_examples())
CAPTURE = next(golden_examples(CaptureReceived))
TOPIC_OF = {name: topic for topic in TOPICS.values() for name in topic.events}


class InMemoryRegistry:
    """Has every schema that was asked for, under its id."""

    def __init__(self, *texts: str) -> None:
        self.schemas = {id_of_text(text): text for text in texts}

    async def id_of(self, subject: str, schema: str) -> int:
        self.schemas[id_of_text(schema)] = schema
        return id_of_text(schema)

    async def schema_by_id(self, schema_id: int) -> str:
        if schema_id not in self.schemas:
            raise SchemaNotRegistered(f"schema id {schema_id}")
        return self.schemas[schema_id]


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def codec():
    prepared = Codec(InMemoryRegistry())
    await prepared.prepare(TOPICS.values())
    return prepared


@pytest.mark.parametrize(("name", "event", "body"), GOLDEN, ids=[name for name, _, _ in GOLDEN])
async def test_golden_bytes(codec, name, event, body):
    assert encode_body(event) == body
    framed = codec.encode(event, TOPIC_OF[type(event).__name__])
    assert framed[0] == 0
    assert framed[5:] == body
    assert await codec.decode(framed) == event


@pytest.mark.parametrize(("name", "event", "body"), GOLDEN, ids=[name for name, _, _ in GOLDEN])
def test_reference_implementation_reads_the_same(name, event, body):
    schema = avro.schema.parse(schema_text(type(event).__name__))
    read = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(body)))
    assert read["org_id"] == event.org_id
    assert read["occurred_at"] == event.occurred_at
    assert set(read) == set(to_fields(event))
    written = io.BytesIO()
    avro.io.DatumWriter(schema).write(read, avro.io.BinaryEncoder(written))
    assert written.getvalue() == body


@given(score=st.floats(-1, 1), offset=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
async def test_round_trip_keeps_scores_and_microseconds(score, offset):
    event = next(event for name, event, _ in GOLDEN if name == "MatchDecided/identified")
    changed = msgspec.structs.replace(
        event, score=score, decision_round=3, recorded_at=offset.replace(tzinfo=UTC)
    )
    codec = Codec(InMemoryRegistry())
    await codec.prepare(TOPICS.values())
    assert await codec.decode(codec.encode(changed, TOPIC_OF["MatchDecided"])) == changed


@given(value=st.binary(max_size=400))
async def test_any_bytes_are_an_event_or_undecodable(value):
    codec = Codec(InMemoryRegistry())
    await codec.prepare(TOPICS.values())
    frames = [
        FRAME.pack(MAGIC, id_of_text(schema_text(name))) for name in ("MatchDecided", "CaptureReceived")
    ]
    for framed in (value[:4], *(frame + value for frame in frames)):
        try:
            await codec.decode(framed)
        except UndecodableRecord as error:
            assert str(error)


@pytest.mark.parametrize(
    "value", [None, b"", b"\x00", b"\x00\x00\x00\x00\x01", b"{}" * 9, b"\x01\x00\x00\x00\x01xx"]
)
async def test_unframed_values_are_undecodable(codec, value):
    with pytest.raises(UndecodableRecord, match="Confluent framing"):
        await codec.decode(value)


async def test_left_over_bytes_are_undecodable(codec):
    _, event, _ = CAPTURE
    with pytest.raises(UndecodableRecord, match="bytes are left"):
        await codec.decode(codec.encode(event, CAPTURES) + b"\x00")


async def test_an_unknown_schema_is_waited_for_and_then_undecodable():
    clock, body = Clock(), b"\x00\x00\x00\x03\xe7body"
    codec = Codec(InMemoryRegistry(), clock=clock)
    with pytest.raises(RegistryUnavailable, match="run `attendance-schemas apply`"):
        await codec.decode(body)
    clock.now = RESTORED_WITHIN_SECONDS - 1
    with pytest.raises(RegistryUnavailable, match="schema id 999; unknown for 599 s"):
        await codec.decode(body)
    clock.now = RESTORED_WITHIN_SECONDS
    with pytest.raises(UndecodableRecord, match="schema id 999"):
        await codec.decode(body)


async def test_many_records_of_an_unknown_schema_ask_once_a_second():
    clock, registry = Clock(), InMemoryRegistry()
    codec, asked = Codec(registry, clock=clock), []
    ask = registry.schema_by_id

    async def counted(schema_id):
        asked.append(clock.now)
        return await ask(schema_id)

    registry.schema_by_id = counted
    for tenth in range(21):
        clock.now = tenth / 10
        with pytest.raises(SchemaUnknown):
            await codec.decode(b"\x00\x00\x00\x03\xe7body")
    assert asked == [0.0, 1.0, 2.0]


async def test_what_this_version_knows_is_read_without_a_registry():
    for name, event, body in GOLDEN:
        framed = FRAME.pack(MAGIC, id_of_text(schema_text(type(event).__name__))) + body
        assert await Codec(InMemoryRegistry()).decode(framed) == event, name


async def test_newer_writer_field_is_skipped():
    _, event, body = CAPTURE
    newer = json.loads(schema_text("CaptureReceived"))
    newer["fields"].append({"name": "added_later", "type": "string", "default": ""})
    registry = InMemoryRegistry(json.dumps(newer))
    framed = FRAME.pack(MAGIC, *registry.schemas) + body + b"\x04hi"
    assert await Codec(registry).decode(framed) == event


async def test_writing_needs_preparation():
    _, event, _ = CAPTURE
    with pytest.raises(SchemaError, match="not prepared"):
        Codec(InMemoryRegistry()).encode(event, CAPTURES)


def test_naive_instants_are_refused():
    fields = to_fields(CAPTURE[1])
    with pytest.raises(msgspec.ValidationError, match="occurred_at"):
        from_fields(CaptureReceived, fields | {"occurred_at": fields["occurred_at"].replace(tzinfo=None)})


async def test_a_template_as_0_1_0_wrote_it_is_read():
    event, body = next((event, body) for name, event, body in GOLDEN if name == "TemplateEnrolled/small")
    text = one_line((RELEASED / "0.1.0" / "TemplateEnrolled.avsc").read_text())
    assert body[-1:] == b"\0"  # the one field that 0.1.0 did not have: no data key
    read = await Codec(InMemoryRegistry()).decode(FRAME.pack(MAGIC, id_of_text(text)) + body[:-1])
    assert read == event
    assert read.data_key_id is None


def written_by_a_newer_version(event, enum_name: str) -> tuple[InMemoryRegistry, bytes]:
    """Write an event whose enum says NEWER in place of the first of its words."""
    newer = json.loads(schema_text(type(event).__name__))
    for enum in enums_of(newer):
        if enum["name"] == enum_name:
            enum["symbols"][0] = "NEWER"
    registry = InMemoryRegistry(json.dumps(newer))
    return registry, FRAME.pack(MAGIC, *registry.schemas) + encode_body(event)


async def test_a_newer_outcome_identifies_nobody():
    event = next(event for name, event, _ in GOLDEN if name == "MatchDecided/identified")
    registry, framed = written_by_a_newer_version(event, "Outcome")
    read = await Codec(registry).decode(framed)
    assert read == msgspec.structs.replace(event, outcome=Outcome.UNKNOWN)


async def test_a_newer_word_that_decides_days_is_no_guess():
    event = next(event for name, event, _ in GOLDEN if name == "DayOverridden/present")
    registry, framed = written_by_a_newer_version(event, "DayStatus")
    with pytest.raises(UndecodableRecord, match=r"a newer version wrote this .*NEWER.* Update this service"):
        await Codec(registry).decode(framed)
