"""Tenancy: whoever writes changes what is theirs, and nothing of another site or organisation.

Every writing operation of ingest, through HTTP, Kafka and the projector, with every kind of id: one's own,
one that another organisation used first, of another site, of another organisation, and nobody's.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio

from attendance_demo.deployment import deployed
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES
from attendance_testing.tenancy.cases import Case, cases
from attendance_testing.tenancy.door import OURS, THEIRS, Door
from attendance_testing.tenancy.operations import OPERATIONS, Request, new_uuid
from attendance_testing.tenancy.world import ELSEWHERE, World
from local_stack.keys.tokens import sign_token
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.end_to_end

PAIRS = os.environ.get("TENANCY_PAIRS") == "1"


@pytest_asyncio.fixture
async def world(environ, stack_control, tmp_path: Path) -> AsyncIterator[World]:
    """Two organisations: the other one used all ids first that are called `1` and `2`, and has `b` alone."""

    def sign(role, subject, org_id, sites):
        folder = stack_control.folder
        return sign_token(folder, roles=[role], subject=subject, organisation=org_id, sites=sites)

    kafka = KafkaSettings(
        bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"], topic_prefix=environ["KAFKA_TOPIC_PREFIX"]
    )
    with deployed(environ, tmp_path / "logs") as deployment:
        # No tick comes between two looks at the tables.
        projector = deployment.start("attendance-projector", wait=False, tick_interval="PT1H")
        ingest = deployment.start("ingest", wait=False)
        for service in (projector, ingest):
            await asyncio.to_thread(service.wait_ready)
        sql = await asyncpg.connect(environ["DATABASE_URL"], ssl=False)
        async with (
            httpx.AsyncClient(timeout=30) as client,
            SchemaRegistry(environ["SCHEMA_REGISTRY_URL"]) as registry,
            RecordProducer(kafka) as producer,
        ):
            codec = Codec(registry, prefix=kafka.topic_prefix)
            await codec.prepare([MATCHES])
            made = World(Door(client, ingest.url, sign), kafka, codec, producer, sql)
            await made.settle(THEIRS, ("1", "2", "b"))
            await made.settle(OURS, ("1", "2", "a"))
            await made.projected()
            yield made
        await sql.close()


async def test_nobody_changes_what_is_not_theirs_and_nothing_is_lost(world: World) -> None:
    assert await world.door.uncovered() == set()
    tried = cases(pairs=PAIRS)
    leaks = await refused_and_without_effect(world, [case for case in tried if not case.is_accepted])
    lost = 0
    # What is deleted comes last, or what was recorded before would be looked for in vain.
    for is_deleted, is_whole in product((False, True), repeat=2):
        accepted = [case for case in tried if case.is_accepted and _is(case, is_deleted, is_whole)]
        new_leaks, new_lost = await accepted_and_kept(world, accepted, is_whole=is_whole)
        leaks, lost = leaks + new_leaks, lost + new_lost
    leaks += await a_review_that_only_the_projector_can_refuse(world)
    counts = f"operations={len(OPERATIONS)} cases={len(tried) + 1} leaks={leaks} lost={lost}"
    assert (leaks, lost) == (0, 0), counts
    print(f"tenancy ok: {counts}")


def _is(case: Case, is_deleted: bool, is_whole: bool) -> bool:
    return (case.request.method == "DELETE", case.operation.whole) == (is_deleted, is_whole)


async def refused_and_without_effect(world: World, tried: list[Case]) -> int:
    """Send what is to be refused; return how many rows and records it changed."""
    before, written = await world.rows(), await world.written()
    await world.door.refused(tried)
    await world.projected()
    after = await world.rows()
    leaks = sum(len(set(before[name]) ^ set(after[name])) for name in before)
    now_written = await world.written()
    return leaks + sum(len(now_written[name]) - len(written[name]) for name in written)


async def accepted_and_kept(world: World, tried: list[Case], *, is_whole: bool) -> tuple[int, int]:
    """Send what is to be accepted; return how much it changed elsewhere, and how much of it was lost."""
    before, written = await world.rows(), await world.written()
    await world.door.accepted(tried)
    await world.projected()
    after, now_written = await world.rows(), await world.written()
    # A token for the whole organisation may change every site of it.
    others = (THEIRS,) if is_whole else (THEIRS, ELSEWHERE)
    leaks = sum(len(set(before[name]) ^ set(after[name])) for name in others)
    leaks += len(now_written[THEIRS]) - len(written[THEIRS])
    told = await world.ids_told()
    made = [(case.operation, case.request.fact) for case in tried if case.request.fact is not None]
    lost = [fact for operation, fact in made if fact not in told or not await world.has(operation, fact)]
    return leaks, len(lost)


async def a_review_that_only_the_projector_can_refuse(world: World) -> int:
    """It is of a capture at the own site, that shows somebody who lives elsewhere; return what it changed."""
    capture_id = new_uuid("capture")
    make = next(each.make for each in OPERATIONS if each.path == "/v1/captures")
    response = await world.door.send(make({"device": "1", "id": capture_id}))
    assert response.status_code == 202, response.text
    await world.decide(OURS, capture_id, "1", "person-2", "site-2")
    await world.projected()
    before = await world.rows()
    review = {"correction_id": new_uuid("review"), "capture_id": capture_id, "person_id": "person-1"}
    request = Request(
        "POST", "/v1/corrections/reviews", "supervisor", "limited", json=review | {"reason": "mine"}
    )
    assert (await world.door.send(request)).status_code == 202
    await world.projected()
    refused = "SELECT reason FROM attendance.refused_fact WHERE fact_id = $1"
    assert await world.sql.fetchval(refused, review["correction_id"]) == "out-of-scope"
    after = await world.rows()
    return len(set(before[ELSEWHERE]) ^ set(after[ELSEWHERE]))
