"""Why a record cannot be read decides whether it is buried."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.stored import DeadLetter, NoFact
from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.events import CaptureReceived
from attendance_schemas.golden import golden_examples
from attendance_schemas.schema_files import id_of_text, schema_text
from service_kit.dead_letters.letters import Origin, dead_letter_headers
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import Headers, Record

ORIGIN = Origin("image-missing", "e", 1, "t", 0, 0, "s", "v", datetime.now(UTC))
OF_A_NEWER_VERSION = Record("t", 0, 0, b"k", FRAME.pack(MAGIC, 7) + b"body", (), datetime.now(UTC))


class Away:
    """A registry that is away, or has lost everything."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def schema_by_id(self, schema_id: int) -> str:
        raise self.error

    async def id_of(self, subject: str, schema: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [RegistryUnavailable("away"), SchemaNotRegistered("emptied")])
async def test_a_registry_that_is_away_condemns_no_record_while_others_pass(error: Exception) -> None:
    reader = AvroEventReader(Codec(Away(error)))
    with pytest.raises(TransientFailure) as failed:
        await reader.read(OF_A_NEWER_VERSION)
    assert failed.value.is_contention, "else five tries while others pass bury it"


async def test_an_unknown_schema_is_poison_in_the_end() -> None:
    hours = iter(range(0, 10 * 3600, 3600))
    reader = AvroEventReader(Codec(Away(SchemaNotRegistered("id 7")), clock=lambda: next(hours)))
    with pytest.raises(TransientFailure):
        await reader.read(OF_A_NEWER_VERSION)
    with pytest.raises(PoisonRecord, match="undecodable"):
        await reader.read(OF_A_NEWER_VERSION)


def dead_letter(value: bytes | None, headers: Headers = ()) -> Record:
    return Record("attendance.captures.dlq", 0, 0, b"k", value, headers, datetime.now(UTC))


@pytest.mark.parametrize(
    "record", [dead_letter(b"junk"), dead_letter(None), dead_letter(b"junk", dead_letter_headers(ORIGIN))]
)
async def test_a_dead_letter_that_nobody_can_read_is_no_poison_once_more(record: Record) -> None:
    reader = AvroEventReader(Codec(Away(SchemaNotRegistered("id 7")), clock=iter((0.0, 1e9)).__next__))
    assert await reader.read(record) == NoFact()


async def test_a_dead_letter_is_read_as_what_it_was() -> None:
    event = next(each for _, each, _ in golden_examples() if isinstance(each, CaptureReceived))
    value = FRAME.pack(MAGIC, id_of_text(schema_text("CaptureReceived"))) + encode_body(event)
    reader = AvroEventReader(Codec(Away(RegistryUnavailable("not asked"))))
    found = await reader.read(dead_letter(value, dead_letter_headers(ORIGIN)))
    assert isinstance(found, DeadLetter)
    assert (found.event, found.reason) == (event, "image-missing")


async def test_what_is_no_erasure_on_the_topic_of_keys_stops_nobody() -> None:
    event = next(each for _, each, _ in golden_examples() if isinstance(each, CaptureReceived))
    value = FRAME.pack(MAGIC, id_of_text(schema_text("CaptureReceived"))) + encode_body(event)
    reader = AvroEventReader(Codec(Away(RegistryUnavailable("not asked"))))
    for found in (value, b"junk", None):
        assert await reader.read(replace(dead_letter(found), topic="attendance.person-keys")) == NoFact()


@pytest.mark.parametrize("value", [b"no Avro at all", None])
async def test_what_recognition_cannot_read_either_is_its_dead_letter_alone(value: bytes | None) -> None:
    reader = AvroEventReader(Codec(Away(RegistryUnavailable("not asked"))))
    for topic in ("attendance.captures", "attendance.captures-backlog", "attendance.enrolments"):
        assert await reader.read(replace(OF_A_NEWER_VERSION, topic=topic, value=value)) == NoFact()
    with pytest.raises(PoisonRecord):
        await reader.read(replace(OF_A_NEWER_VERSION, topic="attendance.punches", value=value))
