"""Clients that we did not write read what the services write: confluent-kafka; kcat with avro-c."""

import asyncio
import io
import json
import subprocess
from pathlib import Path

import avro.io
import avro.schema
import httpx
import pytest
from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from attendance_schemas.topics import MATCHES

pytestmark = pytest.mark.end_to_end

SYNC = bytes(16)


@pytest.fixture
async def match(scene):
    """The topic of a real match, and what it should say."""
    (shot,) = scene.shots(1)
    await scene.send([shot])
    await scene.assert_nothing_lost_or_doubled()
    return scene.environ["KAFKA_TOPIC_PREFIX"] + MATCHES.name, shot


async def test_confluent_deserializer_reads_a_match(scene, match):
    topic, shot = match
    read = await asyncio.to_thread(consume_one, scene.environ, topic)
    assert read["capture_id"] == shot.capture_id
    assert read["outcome"] == "IDENTIFIED"
    assert read["person_id"] == scene.cast.members[0].person_id


def consume_one(environ: dict[str, str], topic: str) -> dict[str, object]:
    consumer = Consumer(
        {
            "bootstrap.servers": environ["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": topic,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([topic])
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        with SchemaRegistryClient({"url": environ["SCHEMA_REGISTRY_URL"]}) as registry:
            context = SerializationContext(topic, MessageField.VALUE)
            return AvroDeserializer(registry)(message.value(), context)
    finally:
        consumer.close()


@pytest.mark.kcat
async def test_kcat_prints_a_match_as_json(scene, match, tmp_path: Path):
    """kcat fetches the record and its envelope; avro-c's avrocat prints the value as JSON."""
    topic, shot = match
    envelope, printed = await asyncio.to_thread(print_with_kcat, scene.environ, topic, tmp_path)
    assert envelope["key"] == f"{scene.plant.org_id}:{shot.capture_id}"
    assert "traceparent" in envelope["headers"]
    assert printed["capture_id"] == str(shot.capture_id)
    assert printed["outcome"] == "IDENTIFIED"


def print_with_kcat(environ: dict[str, str], topic: str, folder: Path) -> tuple[dict, dict]:
    """Return the envelope as kcat prints it and the value as avrocat prints it."""
    kcat = [
        "kcat",
        "-b",
        environ["KAFKA_BOOTSTRAP_SERVERS"],
        "-C",
        "-t",
        topic,
        "-o",
        "beginning",
        "-e",
        "-q",
    ]
    # kcat puts the value into its JSON as the bytes that it is.
    envelope = json.loads(output_of([*kcat, "-J"]).decode(errors="replace"), strict=False)
    value = output_of([*kcat, "-D", "", "-f", "%s"])
    assert value[0] == 0
    schema_id = int.from_bytes(value[1:5], "big")
    schema = httpx.get(f"{environ['SCHEMA_REGISTRY_URL']}/schemas/ids/{schema_id}").json()["schema"]
    container = folder / "match.avro"
    container.write_bytes(object_container(schema, value[5:]))
    return envelope, json.loads(output_of(["avrocat", str(container)]))


def output_of(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def object_container(schema: str, body: bytes) -> bytes:
    """Wrap one Avro body, untouched, in the header and block of an object container file."""
    buffer = io.BytesIO()
    encoder = avro.io.BinaryEncoder(buffer)
    buffer.write(b"Obj\x01")
    metadata = avro.schema.parse('{"type": "map", "values": "bytes"}')
    avro.io.DatumWriter(metadata).write({"avro.schema": schema.encode(), "avro.codec": b"null"}, encoder)
    buffer.write(SYNC)
    encoder.write_long(1)
    encoder.write_long(len(body))
    buffer.write(body + SYNC)
    return buffer.getvalue()
