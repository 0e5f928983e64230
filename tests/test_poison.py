"""A record that can never work goes to the dead letters with its reason, and the rest flows."""

import pytest
from aiokafka import AIOKafkaProducer

from attendance_demo.verdict.audit import read_all
from attendance_schemas.topics import CAPTURES, MATCHES

pytestmark = pytest.mark.end_to_end


async def produce(environ: dict[str, str], topic: str, partitions: int, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all") as producer:
        for partition in range(partitions):
            await producer.send_and_wait(
                topic, value, key=b"poison", partition=partition, headers=[("who", b"me")]
            )


@pytest.mark.parametrize(
    ("topic", "service"), [(CAPTURES, "recognition-worker"), (MATCHES, "attendance-projector")]
)
async def test_poison_is_set_aside(scene, topic, service):
    name = scene.environ["KAFKA_TOPIC_PREFIX"] + topic.name
    value = b"no Avro at all"
    await produce(scene.environ, name, 1, value)
    await scene.send(scene.shots(5))
    _, stores = await scene.assert_nothing_lost_or_doubled()
    assert len(stores.captures) == 5

    async def dead_letter():
        found = await read_all(scene.environ, f"{name}.dlq")
        return found[0] if found else None

    kept, headers = await scene.until(dead_letter, within=30, what="a dead letter")
    assert kept == value
    assert headers["who"] == b"me"
    assert b"Confluent framing" in headers["dlq-error"]
    assert headers["dlq-origin-topic"] == name.encode()
    assert (headers["dlq-origin-partition"], headers["dlq-origin-offset"]) == (b"0", b"0")
    assert headers["dlq-service"] == service.encode()
    assert headers["dlq-reason"]


async def test_damaged_photo_is_set_aside(scene):
    shots = scene.shots(3)
    damaged = scene.kiosk.take(scene.cast.corrupt, shots[-1].captured_at, "IN")
    answers = await scene.send([*shots, damaged])
    assert all(answer.accepted for answer in answers)
    log, stores = await scene.assert_nothing_lost_or_doubled()
    assert list(log.dead) == [damaged.capture_id]
    assert len(stores.captures) == 3
