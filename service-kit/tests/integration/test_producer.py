import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

MakeTopic = Callable[..., Awaitable[str]]


async def test_positions_are_those_after_the_record(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    async with RecordProducer(kafka) as producer:
        await producer.check()
        positions = await asyncio.gather(
            *(producer.send(OutgoingRecord(topic, b"k", str(n).encode())) for n in range(50))
        )
    assert sorted(position.next_offset for position in positions) == list(range(1, 51))


async def test_records_sent_together_keep_their_order(kafka: KafkaSettings, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    async with RecordProducer(kafka) as producer:
        assert await producer.send_all([]) == []
        # More than the client holds in one batch for a partition.
        positions = await producer.send_all([OutgoingRecord(topic, b"k", b"x" * 1000) for _ in range(500)])
        assert [position.next_offset for position in positions] == list(range(1, 501))
        narrow = await make_topic("narrow", **{"max.message.bytes": "2000"})
        with pytest.raises(PoisonRecord, match="record-too-large"):
            await producer.send_all(
                [OutgoingRecord(narrow, b"k", b"small"), OutgoingRecord(narrow, b"k", b"x" * 9000)]
            )
        assert await producer.send_all([OutgoingRecord(topic, b"k", b"goes on")])


async def test_a_record_that_is_too_large_is_poison_and_the_producer_goes_on(
    kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    narrow = await make_topic("narrow", **{"max.message.bytes": "2000"})
    async with RecordProducer(kafka) as producer:
        with pytest.raises(PoisonRecord, match="record-too-large"):
            await producer.send(OutgoingRecord(narrow, b"k", b"x" * 2_000_000))
        with pytest.raises(PoisonRecord, match="record-too-large"):
            await producer.send(OutgoingRecord(narrow, b"k", b"x" * 10_000))
        assert (await producer.send(OutgoingRecord(narrow, b"k", b"small"))).next_offset == 1
        assert (await producer.send(OutgoingRecord(narrow, b"k", b"small"))).next_offset == 2


async def test_an_absent_topic_is_transient(kafka: KafkaSettings) -> None:
    async with RecordProducer(kafka, timeout=timedelta(seconds=1)) as producer:
        with pytest.raises(TransientFailure, match="kafka"):
            await producer.send(OutgoingRecord(kafka.topic("absent"), b"k", b"v"))


async def test_a_stopped_producer_says_so(kafka: KafkaSettings) -> None:
    producer = RecordProducer(kafka)
    await producer.start()
    await producer.stop()
    with pytest.raises(TransientFailure, match="stopped"):
        await producer.send(OutgoingRecord(kafka.topic("x"), b"k", b"v"))
