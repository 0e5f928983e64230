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

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.errors import SchemaError, SchemaNotRegistered, UndecodableRecord
from attendance_schemas.events import CaptureReceived, from_fields, to_fields
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import CAPTURES, TOPICS

RELEASED = Path(__file__).parents[2] / "released"
GOLDEN = list(golden_examples())
CAPTURE = next(golden_examples(CaptureReceived))
TOPIC_OF = {name: topic for topic in TOPICS.values() for name in topic.events}


class InMemoryRegistry:
    """Gives ids in order of asking; knows every schema that was asked for."""

    def __init__(self) -> None:
        self.schemas: list[str] = []

    async def id_of(self, subject: str, schema: str) -> int:
        if schema not in self.schemas:
            self.schemas.append(schema)
        return self.schemas.index(schema) + 1

    async def schema_by_id(self, schema_id: int) -> str:
        if not 0 < schema_id <= len(self.schemas):
            raise SchemaNotRegistered(f"schema id {schema_id}")
        return self.schemas[schema_id - 1]


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
    for framed in (value, b"\x00\x00\x00\x00\x01" + value, b"\x00\x00\x00\x00\x02" + value):
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


async def test_unknown_schema_id_is_undecodable(codec):
    with pytest.raises(UndecodableRecord, match="schema id 999"):
        await codec.decode(b"\x00\x00\x00\x03\xe7body")


async def test_newer_writer_field_is_skipped():
    _, event, body = CAPTURE
    newer = json.loads(schema_text("CaptureReceived"))
    newer["fields"].append({"name": "added_later", "type": "string", "default": ""})
    registry = InMemoryRegistry()
    identity = await registry.id_of("x", json.dumps(newer))
    framed = b"\x00" + identity.to_bytes(4, "big") + body + b"\x04hi"
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
    registry = InMemoryRegistry()
    registry.schemas = [(RELEASED / "0.1.0" / "TemplateEnrolled.avsc").read_text()]
    assert body[-1:] == b"\0"  # the one field that 0.1.0 did not have: no data key
    read = await Codec(registry).decode(FRAME.pack(MAGIC, 1) + body[:-1])
    assert read == event
    assert read.data_key_id is None


def test_compacted_topics_of_biometrics_forget_within_a_day():
    for name in ("attendance.gallery", "attendance.person-keys"):
        assert TOPICS[name].config()["cleanup.policy"] == "compact"
        assert TOPICS[name].config()["max.compaction.lag.ms"] == "86400000"
