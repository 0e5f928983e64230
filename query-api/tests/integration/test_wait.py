"""A decision published on the real topic wakes the request that waits for it, before the read model knows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES
from local_stack.environment import StackEnv
from query_api.adapters.decision_feed import InMemoryDecisionFeed
from query_api.adapters.kafka_match_tail import KafkaMatchTail
from query_api.metrics import QueryApiMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

UNDECIDED = UUID("019cac8c-6d40-7c3a-9b1e-00000000beef")
DEADLINE = timedelta(seconds=30)
Publish = Callable[[MatchDecided | bytes], Any]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE.total_seconds()):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def publish(
    stack: StackEnv,
    matches_prefix: str,
    memory_feed: InMemoryDecisionFeed,
    metrics: QueryApiMetrics,
    registry: CollectorRegistry,
) -> AsyncIterator[Publish]:
    """Publishes on the topic that a running tail follows."""
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=matches_prefix)
    async with SchemaRegistry(stack.schema_registry_url) as schemas, RecordProducer(kafka) as producer:
        codec = Codec(schemas, prefix=matches_prefix)
        await codec.prepare([MATCHES])
        tail = asyncio.create_task(KafkaMatchTail(kafka, codec, memory_feed, metrics).run())
        await until(lambda: registry.get_sample_value("query_api_following_decisions") == 1)

        async def published(event: MatchDecided | bytes) -> None:
            value = event if isinstance(event, bytes) else codec.encode(event, MATCHES)
            await producer.send(OutgoingRecord(kafka.topic(MATCHES.name), b"key", value))

        yield published
        tail.cancel()
        with suppress(asyncio.CancelledError):
            await tail


async def test_a_published_decision_wakes_the_request(
    client: httpx.AsyncClient,
    publish: Publish,
    decision: Callable[..., MatchDecided],
    registry: CollectorRegistry,
    as_caller: Callable[[str], dict[str, str]],
) -> None:
    route = f"/v1/captures/{UNDECIDED}?wait=30"
    started = time.monotonic()
    waiting = [
        asyncio.create_task(client.get(route, headers=as_caller(name))) for name in ("acme", "kiosk-3")
    ]
    stranger = asyncio.create_task(
        client.get(f"/v1/captures/{UNDECIDED}?wait=2", headers=as_caller("umbrella"))
    )
    await until(lambda: registry.get_sample_value("query_api_waiting_requests") == 3)
    await publish(decision(capture_id=UNDECIDED))
    for response in await asyncio.gather(*waiting):
        assert response.status_code == 200
        assert (response.json()["display_name"], response.json()["site_name"]) == ("Asha Rao", "Pune plant")
    assert time.monotonic() - started < 25
    assert (await stranger).status_code == 404


async def test_a_decision_that_came_before_the_question_is_answered_at_once(
    client: httpx.AsyncClient,
    publish: Publish,
    decision: Callable[..., MatchDecided],
    registry: CollectorRegistry,
) -> None:
    await publish(decision(capture_id=UNDECIDED))
    await until(lambda: registry.get_sample_value("query_api_decisions_seen_total") == 1)
    assert (await client.get(f"/v1/captures/{UNDECIDED}")).status_code == 200


async def test_a_record_that_cannot_be_read_is_left_out_and_the_next_one_is_not(
    client: httpx.AsyncClient,
    publish: Publish,
    decision: Callable[..., MatchDecided],
    registry: CollectorRegistry,
) -> None:
    await publish(b"no avro")
    await publish(decision(capture_id=UNDECIDED))
    await until(lambda: registry.get_sample_value("query_api_decisions_seen_total") == 1)
    assert registry.get_sample_value("query_api_skipped_records_total", {"reason": "undecodable"}) == 1


@pytest.mark.parametrize(
    ("name", "event"), [(name, event) for name, event, _ in golden_examples(MatchDecided)]
)
async def test_every_golden_decision_can_be_answered(
    client: httpx.AsyncClient,
    memory_feed: InMemoryDecisionFeed,
    tokens: Any,
    name: str,
    event: MatchDecided,
) -> None:
    memory_feed.publish(event)
    caller = tokens.callers["acme"]
    tokens.callers = {"golden": type(caller)(subject="u", roles=caller.roles, org_id=event.org_id)}
    response = await client.get(
        f"/v1/captures/{event.capture_id}", headers={"Authorization": "Bearer golden"}
    )
    assert response.status_code == 200, name
    body = response.json()
    assert (body["outcome"], body["person_id"]) == (event.outcome, event.person_id)
