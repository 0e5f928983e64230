"""A connection is cut while its broker goes on: late records stay away, views know that they are behind."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import httpx
import pytest

from local_stack.running.stack import Stack
from service_kit.errors import LogLost, TransientFailure, ViewOutdated
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import CompactedView
from service_kit.views.topic_reader import StartAt, TopicReader, seconds_passed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

MakeTopic = Callable[..., Awaitable[str]]
Eventually = Callable[..., Awaitable[None]]
SOON = timedelta(seconds=10)


class Link:
    """The way to Kafka that can be cut: everybody is hung up on, and nobody gets in."""

    def __init__(self, client: httpx.AsyncClient, kafka: KafkaSettings) -> None:
        self._client = client
        self.kafka = kafka

    async def cut(self) -> None:
        await self._enable(False)

    async def heal(self) -> None:
        await self._enable(True)

    async def _enable(self, enabled: bool) -> None:
        (await self._client.post("/proxies/kafka", json={"enabled": enabled})).raise_for_status()


@pytest.fixture
async def link(stack_control: Stack) -> AsyncIterator[Link]:
    await asyncio.to_thread(stack_control.start_service, "toxiproxy")
    proxied = stack_control.env_through_proxies.kafka_bootstrap_servers
    async with httpx.AsyncClient(base_url=stack_control.toxiproxy_url) as client:
        yield Link(client, KafkaSettings(bootstrap_servers=proxied))
        (await client.post("/reset")).raise_for_status()


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_record_that_was_late_is_not_sent_again(
    link: Link, kafka: KafkaSettings, make_topic: MakeTopic, forgets: bool
) -> None:
    topic = await make_topic("things")
    late = RecordProducer(link.kafka, timeout=timedelta(seconds=5), forget_late=forgets)
    async with late, RecordProducer(kafka) as other:
        await late.send(OutgoingRecord(topic, b"gate", b"recorded"))
        await link.cut()
        with pytest.raises(TransientFailure, match="no answer"):
            await late.send(OutgoingRecord(topic, b"gate", b"recorded late"))
        await other.send(OutgoingRecord(topic, b"gate", b"revoked"))
        await link.heal()
        # A client that keeps what is late sends it before anything else, on the same connection.
        async with asyncio.timeout(60):
            while True:
                try:
                    await late.send(OutgoingRecord(topic, b"marker", b"back"))
                    break
                except TransientFailure:
                    continue
    values = [record.value async for record in records_of(kafka, topic) if record.key == b"gate"]
    assert values == [b"recorded", b"revoked", *([] if forgets else [b"recorded late"])]


async def test_a_producer_that_gave_up_its_client_stops_in_time(
    link: Link, kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things")
    late = RecordProducer(link.kafka, timeout=timedelta(seconds=5), forget_late=True)
    await late.send(OutgoingRecord(topic, b"gate", b"recorded"))
    await link.cut()
    answers = await asyncio.gather(
        *(late.send(OutgoingRecord(topic, b"gate", b"late")) for _ in range(20)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {TransientFailure}
    started = time.monotonic()
    await late.stop()
    assert time.monotonic() - started < 12
    assert [record.value async for record in records_of(kafka, topic)] == [b"recorded"]


async def test_a_view_that_is_cut_off_says_that_it_is_behind(
    link: Link, kafka: KafkaSettings, make_topic: MakeTopic, eventually: Eventually
) -> None:
    topic = await make_topic("things", 3, **{"cleanup.policy": "compact"})
    values: dict[bytes | None, bytes | None] = {}

    view = CompactedView(
        link.kafka,
        topic,
        lambda record: values.update({record.key: record.value}),
        behind_after=timedelta(seconds=5),
    )
    async with view, RecordProducer(kafka) as other:
        await other.send(OutgoingRecord(topic, b"gate", b"recorded"))
        await eventually(lambda: values == {b"gate": b"recorded"})
        await view.check()

        await link.cut()
        await other.send(OutgoingRecord(topic, b"gate", b"revoked"))
        cut_at = time.monotonic()
        await until_it_fails(view.check, match=f"{topic}: [0-9]+ s behind")
        assert time.monotonic() - cut_at < 15
        assert values == {b"gate": b"recorded"}

        await link.heal()
        await eventually(lambda: values == {b"gate": b"revoked"})
        await eventually(lambda: view.seconds_behind < 5)
        await view.check()


async def until_it_fails(check: Callable[[], Awaitable[None]], *, match: str) -> None:
    with pytest.raises(TransientFailure, match=match):
        async with asyncio.timeout(30):
            while True:
                await check()
                await asyncio.sleep(0.1)


async def test_a_slow_view_says_that_it_is_behind(
    kafka: KafkaSettings, make_topic: MakeTopic, eventually: Eventually
) -> None:
    topic = await make_topic("things")
    may_go_on = asyncio.Event()

    async def apply(_record: object) -> None:
        await may_go_on.wait()

    view = CompactedView(kafka, topic, apply, behind_after=timedelta(seconds=4))
    async with view, RecordProducer(kafka) as producer:
        position = await producer.send(OutgoingRecord(topic, b"k", b"v"))
        await until_it_fails(view.check, match="s behind, it is slow")
        may_go_on.set()
        assert await view.reached(position, SOON)
        await eventually(lambda: view.seconds_behind < 4)
        await view.check()


async def test_a_view_that_was_away_for_too_long_ends_so_that_it_is_built_anew(
    link: Link, kafka: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = await make_topic("things", **{"cleanup.policy": "compact"})
    asleep = 0.0
    reader = TopicReader(
        link.kafka,
        topic,
        lambda _record: None,
        start_at=StartAt.BEGINNING,
        outdated_after=timedelta(hours=12),
        clock=lambda: seconds_passed() + asleep,
    )
    await reader.open()
    await link.cut()
    await until_it_fails(reader.check, match="s behind")
    asleep = 13 * 3600.0
    await link.heal()
    with pytest.raises(ViewOutdated, match=r"13:\d\d:.* built anew"):
        await asyncio.wait_for(reader.join(), 60)
    with pytest.raises(ViewOutdated):
        await reader.check()
    await reader.close()


@pytest.mark.parametrize("count_after", [0, 2, 3, 9])
async def test_a_view_ends_when_its_topic_was_made_anew(
    kafka: KafkaSettings,
    topics: Callable[[KafkaSettings], AbstractAsyncContextManager[MakeTopic]],
    count_after: int,
) -> None:
    name = f"things-{secrets.token_hex(3)}"
    reader = TopicReader(
        kafka,
        kafka.topic(name),
        lambda _record: None,
        start_at=StartAt.BEGINNING,
        outdated_after=timedelta(hours=12),
    )
    async with topics(kafka) as make:
        topic = await make(name)
        async with RecordProducer(kafka) as producer:
            for _ in range(3):
                position = await producer.send(OutgoingRecord(topic, b"k", b"v"))
        await reader.open()
        assert await reader.reached(position, SOON)
    async with topics(kafka) as make:
        await make(name)
        async with RecordProducer(kafka) as producer:
            for _ in range(count_after):
                await producer.send(OutgoingRecord(topic, b"k", b"new"))
        # Whoever writes by what it has read asks this before.
        with pytest.raises(LogLost, match="made anew"):
            await caught_up_at_last(reader)
        with pytest.raises(LogLost, match="made anew"):
            await asyncio.wait_for(reader.join(), 60)
        await reader.close()


async def caught_up_at_last(reader: TopicReader) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                assert await reader.caught_up(SOON)
            except TransientFailure:  # it is being made
                continue
            return


async def test_a_view_whose_topic_is_gone_is_behind(
    kafka: KafkaSettings, topics: Callable[[KafkaSettings], AbstractAsyncContextManager[MakeTopic]]
) -> None:
    async with topics(kafka) as make:
        topic = await make("things", **{"cleanup.policy": "compact"})
        view = CompactedView(kafka, topic, lambda _record: None, behind_after=timedelta(seconds=4))
        await view.start()
    await until_it_fails(view.check, match="s behind")
    await view.stop()
