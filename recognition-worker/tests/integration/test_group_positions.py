"""A worker that was away for longer than Kafka keeps positions asks where to go on; a new one does not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, ENROLMENT_RESULTS, ENROLMENTS, MATCHES
from attendance_testing.forgotten_groups import forget_group
from attendance_testing.polling import eventually
from local_stack.environment import StackEnv
from recognition_worker.composition.kafka import group_positions
from recognition_worker.errors import PositionsLost, PositionsRefused
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

TOPICS = (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS, MATCHES, ENROLMENT_RESULTS)
SKIPPED = (CAPTURES, CAPTURES_BACKLOG)


@pytest.fixture
async def kafka(stack: StackEnv, topic_prefix: str) -> AsyncIterator[KafkaSettings]:
    """Kafka with the worker's topics, of two partitions each."""
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    names = [settings.topic(topic.name) for topic in TOPICS]
    await admin.create_topics([NewTopic(name, 2, 1) for name in names])
    yield settings
    await admin.delete_topics(names)
    await admin.close()


async def send(kafka: KafkaSettings, name: str, count: int = 1, at: datetime | None = None) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    stamp = None if at is None else int(at.timestamp() * 1000)
    for _ in range(count):
        await producer.send_and_wait(kafka.topic(name), b"a record", partition=0, timestamp_ms=stamp)
    await producer.stop()


async def committed(kafka: KafkaSettings, name: str) -> int | None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, group_id=group_positions(kafka).group
    )
    await consumer.start()
    found: int | None = await consumer.committed(TopicPartition(kafka.topic(name), 0))
    await consumer.stop()
    return found


def skipped(kafka: KafkaSettings) -> list[str]:
    return [kafka.topic(topic.name) for topic in SKIPPED]


async def test_a_new_group_begins_without_a_question(kafka: KafkaSettings) -> None:
    await send(kafka, CAPTURES.name, 3)
    await group_positions(kafka).check()


async def test_a_group_whose_positions_expired_asks_where_to_go_on(kafka: KafkaSettings) -> None:
    positions = group_positions(kafka)
    for topic in (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS):
        await send(kafka, topic.name, 3)
    await send(kafka, ENROLMENT_RESULTS.name)
    await positions.go_on_from("earliest", skipped(kafka))
    await positions.check()
    await forget_group(kafka.bootstrap_servers, positions.group)
    with pytest.raises(PositionsLost, match=r"9 records .* go-on-from end\|earliest\|TIME"):
        await positions.check()
    ahead = await positions.go_on_from("end", skipped(kafka))
    assert list(ahead.values()) == [0, 0, 3]
    await positions.check()
    assert [await committed(kafka, topic.name) for topic in TOPICS[:3]] == [3, 3, 0]


async def test_without_records_to_decide_nothing_is_asked(kafka: KafkaSettings) -> None:
    await send(kafka, MATCHES.name)
    await group_positions(kafka).check()


@pytest.mark.parametrize(("day", "position"), [(2, 1), (4, 3)])
async def test_captures_go_on_from_a_time(kafka: KafkaSettings, day: int, position: int) -> None:
    for accepted in (1, 2, 3):
        await send(kafka, CAPTURES.name, at=datetime(2026, 7, accepted, tzinfo=UTC))
    ahead = await group_positions(kafka).go_on_from(datetime(2026, 7, day, tzinfo=UTC), skipped(kafka))
    assert ahead[kafka.topic(CAPTURES.name)] == 3 - position
    assert await committed(kafka, CAPTURES.name) == position


async def test_a_group_that_has_positions_goes_on_there(kafka: KafkaSettings) -> None:
    positions = group_positions(kafka)
    await positions.go_on_from("end", skipped(kafka))
    await send(kafka, CAPTURES.name, 3)
    for where in ("end", "earliest", datetime(2026, 7, 1, tzinfo=UTC)):
        with pytest.raises(PositionsRefused, match=r"go on there by themselves; ahead of them: 3 records of"):
            await positions.go_on_from(where, skipped(kafka))
    assert await committed(kafka, CAPTURES.name) == 0


async def test_positions_are_not_moved_under_a_running_worker(kafka: KafkaSettings) -> None:
    positions = group_positions(kafka)
    member = AIOKafkaConsumer(
        kafka.topic(CAPTURES.name),
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=positions.group,
        enable_auto_commit=False,
    )
    await member.start()

    async def has_joined() -> bool:
        return bool(member.assignment())

    await eventually(has_joined)
    with pytest.raises(PositionsRefused, match="stop all workers"):
        await positions.go_on_from("end", skipped(kafka))
    await member.stop()
