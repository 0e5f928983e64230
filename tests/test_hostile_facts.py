"""Facts at and over every edge: each is refused at the door, or its fate is told; none stops the others."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from attendance_demo.deployment import Deployment, deployed
from attendance_testing.hostile_facts.facts import Facts
from attendance_testing.hostile_facts.fates import Sender
from attendance_testing.tenancy.door import OURS, Door
from local_stack.keys.tokens import sign_token

pytestmark = pytest.mark.end_to_end

FACTS = int(os.environ.get("FACTS", "200"))
SEED = int(os.environ.get("SEED") or "1")
NORMAL_SHARE = 0.2
AT_ONCE = 8


@pytest_asyncio.fixture
async def sender(environ, stack_control, tmp_path: Path) -> AsyncIterator[tuple[Sender, Deployment]]:
    """An organisation with things to name, and all services."""
    with deployed(environ, tmp_path / "logs") as deployment:
        await asyncio.to_thread(deployment.start_all)
        ingest, query_api = (deployment.services[name].url for name in ("ingest", "query-api"))

        def sign(role, subject, org_id, sites):
            folder = stack_control.folder
            return sign_token(folder, roles=[role], subject=subject, organisation=org_id, sites=sites)

        async with httpx.AsyncClient(timeout=60) as client:
            await Door(client, ingest, sign).settle(OURS, ("1", "a", "b"))
            yield Sender(client, ingest, query_api, lambda *who: sign(*who[:2], OURS, who[2])), deployment


@pytest.mark.timeout(3600)
async def test_every_fact_has_a_fate_and_none_stops_the_others(sender) -> None:
    sending, deployment = sender
    facts, chance, gate = Facts(SEED), random.Random(SEED), asyncio.Semaphore(AT_ONCE)

    async def send(fact) -> None:
        try:
            await sending.send(fact)
        finally:
            gate.release()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(FACTS):
            await gate.acquire()  # a fact is made when it is sent: its instants are of now
            fact = facts.normal() if chance.random() < NORMAL_SHARE else facts.hostile()
            tasks.create_task(send(fact))
    await sending.ask_all()
    deployment.check_alive()
    tally = sending.tally
    refused = tally.fates["refused"] + sum(tally.refused_at_door.values())
    counts = (
        f"seed={SEED} sent={tally.sent} applied={tally.fates['applied']} refused={refused} "
        f"(at_door={sum(tally.refused_at_door.values())}) poison={tally.fates['poison']} consumers_ended=0 "
        f"normal_lost={len(tally.normal_lost)} unexplained={len(tally.unexplained)}"
    )
    print(f"\n{dict(tally.refused_at_door)}")
    assert not tally.unexplained, (counts, tally.unexplained[:10])
    assert not tally.normal_lost, (counts, tally.normal_lost[:10])
    assert not tally.fates["poison"], counts
    print(f"hostile facts ok: {counts}")
