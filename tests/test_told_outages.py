"""An outage is told: readiness says which dependency is away, and each service's log says it in few lines."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from attendance_demo.deployment import Service

pytestmark = pytest.mark.end_to_end

# Kinds of lines are written once a minute, so a minute has hardly more lines than this.
AWAY_SECONDS = 15.0
MOST_LINES = 50
# A topic counts as followed until nothing was heard of it for 15 s.
SOON_SECONDS = 40.0

# Which services are not ready without a server, by which name; others go on, and show it beside the checks.
NEEDED = {
    "kafka": {"ingest": "kafka", "recognition-worker": "kafka", "attendance-projector": "kafka"},
    "object-store": {"ingest": "object-store", "recognition-worker": "object-store"},
    "postgres": {"attendance-projector": "postgresql", "query-api": "database"},
    "registry": {},
}
BESIDE = {
    "kafka": {"query-api": "kafka"},
    "registry": dict.fromkeys(
        ("ingest", "recognition-worker", "attendance-projector", "query-api"), "schema-registry"
    ),
}


@dataclass(frozen=True, slots=True)
class Health:
    """What a service says of itself."""

    live: bool
    ready: bool
    checks: Mapping[str, str]
    notes: Mapping[str, str]


async def health_of(client: httpx.AsyncClient, service: Service) -> Health:
    live = await client.get(f"{service.url}/health/live")
    ready = await client.get(f"{service.url}/health/ready")
    body = ready.json()
    return Health(live.is_success, ready.is_success, body["checks"], body.get("notes", {}))


def lines_since(log: Path, begin: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace").splitlines()


@pytest.mark.timeout(600)
async def test_an_outage_is_a_sentence_and_readiness_says_what_is_away(scene, stack_control):
    for server in NEEDED:
        await assert_told(scene, stack_control, server)


async def assert_told(scene, stack_control, server):
    needing, beside = NEEDED[server], BESIDE.get(server, {})
    services, client = scene.deployment.services, scene.plant.client
    await scene.send(scene.shots(2))
    await scene.settled()
    begins = {key: service.log.stat().st_size for key, service in services.items()}

    async def is_told(*, away: bool) -> bool | None:
        found = {key: await health_of(client, service) for key, service in services.items()}
        assert all(each.live for each in found.values())  # a restart would not help
        checks = {key: found[key].checks[name] != "ok" for key, name in needing.items()}
        notes = {key: found[key].notes[name] != "ok" for key, name in beside.items()}
        ready = {key for key, each in found.items() if each.ready}
        right = services.keys() - needing.keys() if away else services.keys()
        return (ready == right and {*checks.values(), *notes.values()} <= {away}) or None

    await asyncio.to_thread(stack_control.stop_service, server, kill=True)
    try:
        sending = asyncio.create_task(scene.send(scene.shots(20)))
        await scene.until(lambda: is_told(away=True), within=SOON_SECONDS, what=f"{server} is told away")
        # Traffic, probes and retries of the outage; readiness stays what it is.
        until = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < until:
            await client.get(f"{scene.plant.query_url}/v1/presence", headers=scene.plant.headers("analyst"))
            await asyncio.sleep(0.2)  # the pace of a dashboard
        assert await is_told(away=True), server
    finally:
        await asyncio.to_thread(stack_control.start_service, server)
    await scene.until(lambda: is_told(away=False), within=90, what=f"{server} is told back")
    await sending
    await scene.assert_nothing_lost_or_doubled()
    for key in services:
        told = [line for line in lines_since(services[key].log, begins[key]) if not is_work(line)]
        assert len(told) < MOST_LINES, f"{key} without {server}: {len(told)} lines\n" + "\n".join(told)
    for key, name in (needing | beside).items():
        events = [json.loads(line)["event"] for line in lines_since(services[key].log, begins[key])]
        assert len([each for each in events if each.startswith(f"{name} is away: ")]) == 1
        assert len([each for each in events if re.fullmatch(rf"{name} is back after \d+ s", each)]) == 1


def is_work(line: str) -> bool:
    """Say whether a line tells of what a client asked for and got."""
    return json.loads(line)["event"] in {"capture accepted", "answered"}
