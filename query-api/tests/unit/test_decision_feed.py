import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.events import MatchDecided
from query_api.adapters.decision_feed import InMemoryDecisionFeed
from query_api.metrics import QueryApiMetrics

Make = Callable[..., MatchDecided]
ORG = "acme"


@pytest.fixture
def memory(metrics: QueryApiMetrics, clock: object) -> InMemoryDecisionFeed:
    return InMemoryDecisionFeed(
        metrics,
        monotonic=clock.monotonic,  # type: ignore[attr-defined]
        recent_for=timedelta(seconds=10),
        recent_count=2,
    )


async def test_a_decision_wakes_whoever_waits_for_it(memory: InMemoryDecisionFeed, decision: Make) -> None:
    event = decision()
    with memory.subscribe(ORG, event.capture_id) as one, memory.subscribe(ORG, event.capture_id) as other:
        waiting = asyncio.gather(one.next_decision(30), other.next_decision(30))
        memory.publish(event)
        assert await waiting == [event, event]


async def test_a_decision_made_moments_ago_is_not_missed(
    memory: InMemoryDecisionFeed, decision: Make
) -> None:
    memory.publish(decision())
    with memory.subscribe(ORG, decision().capture_id) as subscription:
        assert await subscription.next_decision(0) == decision()
        assert await subscription.next_decision(0) is None


async def test_decisions_on_other_captures_do_not_wake(memory: InMemoryDecisionFeed, decision: Make) -> None:
    with memory.subscribe(ORG, UUID(int=1)) as subscription:
        memory.publish(decision())
        assert await subscription.next_decision(0.001) is None


async def test_decisions_are_kept_by_age_and_by_count(
    memory: InMemoryDecisionFeed, decision: Make, clock: object
) -> None:
    for number in (1, 2, 3):
        memory.publish(decision(capture_id=UUID(int=number)))
    known = []
    for number in (1, 2, 3):
        with memory.subscribe(ORG, UUID(int=number)) as subscription:
            known.append(await subscription.next_decision(0) is not None)
    assert known == [False, True, True]
    clock.seconds = 11.0  # type: ignore[attr-defined]
    with memory.subscribe(ORG, UUID(int=3)) as subscription:
        assert await subscription.next_decision(0) is None


async def test_an_older_round_does_not_replace_a_newer(memory: InMemoryDecisionFeed, decision: Make) -> None:
    memory.publish(decision(decision_round=1, person_id="p-2"))
    memory.publish(decision(decision_round=0))
    with memory.subscribe(ORG, decision().capture_id) as subscription:
        event = await subscription.next_decision(0)
    assert event is not None
    assert event.person_id == "p-2"


async def test_the_first_decision_of_a_round_stands(memory: InMemoryDecisionFeed, decision: Make) -> None:
    memory.publish(decision(person_id="p-1"))
    memory.publish(decision(person_id="p-2"))  # decided again, by a worker that knew another gallery
    with memory.subscribe(ORG, decision().capture_id) as subscription:
        event = await subscription.next_decision(0)
    assert event is not None
    assert event.person_id == "p-1"


async def test_stopping_wakes_everyone_and_leaves_nothing_behind(
    memory: InMemoryDecisionFeed, registry: CollectorRegistry
) -> None:
    with memory.subscribe(ORG, UUID(int=1)) as subscription:
        assert registry.get_sample_value("query_api_waiting_requests") == 1
        waiting = asyncio.create_task(subscription.next_decision(30))
        memory.stop()
        assert await waiting is None
    assert memory.stopping
    assert registry.get_sample_value("query_api_waiting_requests") == 0
