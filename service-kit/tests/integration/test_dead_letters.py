"""Dead letters on real Kafka: there is room for every record, and a restart counts on."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256

import pytest

from service_kit.dead_letters.earlier import open_dead_letters
from service_kit.dead_letters.letters import CUT_BYTES, MOST_BYTES, read_origin
from service_kit.errors import DeadLetterLimitExceeded, PoisonRecord, TransientFailure
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.consumer import RecordSource
from service_kit.kafka.delivery import DeliveryLoop, Handle
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]
# The greatest that a producer of ours sends, with its key and headers.
JUNK = b"\xff" * 1_048_400


async def poisonous(record: Record) -> None:
    raise PoisonRecord("undecodable", "not a record of ours " + "x" * 10_000)


async def at_fault_itself(record: Record) -> None:
    raise PoisonRecord("undecodable", "others pass", others_pass=True)


async def deliver(
    kafka: KafkaSettings, topic: str, count: int, *, version: str = "1", handle: Handle = poisonous
) -> None:
    """Run until so many records are in the dead letters, or the limit is exceeded."""
    stopping, left = asyncio.Event(), count

    async def note(record: Record) -> None:
        nonlocal left
        left -= 1
        if not left:
            stopping.set()

    async with RecordProducer(kafka, max_request_bytes=MOST_BYTES) as producer:
        loop = DeliveryLoop(
            RecordSource(kafka, [topic], kafka.group("group")),
            handle=handle,
            on_dead_letter=note,
            dead_letters=open_dead_letters(kafka, producer, service="tests", version=version),
        )
        async with asyncio.timeout(60):
            await loop.run(stopping)


async def letters(kafka: KafkaSettings, topic: str) -> list[Record]:
    return [record async for record in records_of(kafka, topic + ".dlq")]


async def test_a_record_of_the_greatest_size_has_a_whole_dead_letter(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    await make_topic("things.dlq", 1, **{"max.message.bytes": str(MOST_BYTES)})
    async with RecordProducer(kafka) as producer:
        await producer.send(OutgoingRecord(topic, b"k", JUNK))
    await deliver(kafka, topic, 1)
    [letter] = await letters(kafka, topic)
    assert (letter.key, letter.value) == (b"k", JUNK)
    assert read_origin(letter.headers).reason == "undecodable"


async def test_a_topic_of_dead_letters_that_takes_less_has_a_cut_one(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    await make_topic("things.dlq", 1)
    async with RecordProducer(kafka) as producer:
        await producer.send(OutgoingRecord(topic, b"k", JUNK))
    await deliver(kafka, topic, 1)
    [letter] = await letters(kafka, topic)
    assert letter.value == JUNK[:CUT_BYTES]
    assert dict(letter.headers)["dlq-original-sha256"] == sha256(JUNK).hexdigest().encode()


async def test_a_bad_release_that_is_started_again_and_again_drains_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", 2)
    await make_topic("things.dlq", 3)
    async with RecordProducer(kafka) as producer:
        for number in range(60):
            await producer.send(OutgoingRecord(topic, b"sender %d" % number, b"x"))
    for _ in range(4):
        with pytest.raises(DeadLetterLimitExceeded, match="10 of 10 senders"):
            await deliver(kafka, topic, 60)
    assert len(await letters(kafka, topic)) == 9
    with pytest.raises(DeadLetterLimitExceeded):
        await deliver(kafka, topic, 60, version="2")  # another release may try
    assert len(await letters(kafka, topic)) == 18


async def test_records_that_are_at_fault_themselves_end_nothing_now_or_after_a_restart(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    await make_topic("things.dlq")
    for handle, count in ((at_fault_itself, 20), (at_fault_itself, 20), (poisonous, 9)):
        async with RecordProducer(kafka) as producer:
            for number in range(count):
                await producer.send(OutgoingRecord(topic, b"sender %d" % number, b"x"))
        await deliver(kafka, topic, count, handle=handle)
    assert len(await letters(kafka, topic)) == 49
    async with RecordProducer(kafka) as producer:
        await producer.send(OutgoingRecord(topic, b"sender 10", b"x"))
    with pytest.raises(DeadLetterLimitExceeded, match="10 of 10 senders"):
        await deliver(kafka, topic, 1)


async def test_one_sender_of_any_number_of_junk_ends_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    await make_topic("things.dlq")
    async with RecordProducer(kafka) as producer:
        await producer.send_all([OutgoingRecord(topic, b"one", b"x") for _ in range(300)])
    await deliver(kafka, topic, 300)
    assert len(await letters(kafka, topic)) == 300


async def test_dead_letters_without_their_topic_wait_and_commit_nothing(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    async with RecordProducer(kafka, timeout=timedelta(seconds=1)) as producer:
        await producer.send(OutgoingRecord(topic, b"k", b"x"))
        dead_letters = open_dead_letters(kafka, producer, service="tests", version="1")
        [record] = [each async for each in records_of(kafka, topic)]
        with pytest.raises(TransientFailure, match=r"no topic .*\.dlq: create it"):
            await dead_letters.put(record, PoisonRecord("undecodable"))
