"""Servers taken away under load: 503 or delay, never loss."""

import asyncio
import time

import httpx
import pytest

pytestmark = pytest.mark.end_to_end

CAPTURES = 30
AWAY_SECONDS = 30


@pytest.fixture
async def without(stack_control):
    """Stop a server of the stack; it is back at the end of the test at the latest."""
    stopped: list[str] = []

    async def stop(name: str, *, kill: bool = False) -> None:
        await asyncio.to_thread(stack_control.stop_service, name, kill=kill)
        stopped.append(name)

    async def start(name: str) -> None:
        await asyncio.to_thread(stack_control.start_service, name)
        stopped.remove(name)

    yield stop, start
    for name in list(stopped):
        await start(name)


async def test_captures_wait_while_recognition_is_away_for_half_a_minute(scene):
    worker = scene.deployment.services["recognition-worker"]
    assert await asyncio.to_thread(worker.stop) == 0
    away_since = time.monotonic()
    shots = scene.shots(AWAY_SECONDS)
    for second, shot in enumerate(shots):
        (answer,) = await scene.send([shot])
        assert answer.attempts == 1  # ingest goes on
        await asyncio.sleep(max(0.0, away_since + second + 1 - time.monotonic()))  # the pace of a door
    shown = await scene.kiosk.result(scene.kiosk.accepted[-1], wait=0)
    assert shown is None  # "recorded, recognition delayed"
    await asyncio.to_thread(scene.deployment.start, "recognition-worker")
    _, stores = await scene.assert_nothing_lost_or_doubled()
    assert stores.by_outcome()["IDENTIFIED"] == AWAY_SECONDS


async def test_rows_come_late_while_postgresql_is_away(scene, without):
    stop, start = without
    await stop("postgres", kill=True)
    answers = await scene.send(scene.shots(CAPTURES))
    assert {answer.attempts for answer in answers} == {1}
    # Not presence: that is told from the cache for some seconds more.
    url = f"{scene.plant.query_url}/v1/attendance?from=2026-01-01&to=2026-01-02"
    response = await scene.plant.client.get(url, headers=scene.plant.headers("analyst"))
    assert response.status_code == 503
    assert "Retry-After" in response.headers
    await start("postgres")
    await scene.assert_nothing_lost_or_doubled()


@pytest.mark.parametrize("server", ["object-store", "kafka"])
async def test_ingest_answers_503_until_the_server_is_back(scene, without, server):
    stop, start = without
    await scene.send(scene.shots(2))
    await scene.settled()
    await stop(server, kill=True)
    (shot, *shots) = scene.shots(CAPTURES)
    refusal = await scene.kiosk.post(shot)
    assert refusal.status_code == 503
    assert int(refusal.headers["Retry-After"]) >= 1
    assert refusal.headers["content-type"] == "application/problem+json"
    sending = asyncio.create_task(scene.send([shot, *shots]))
    await start(server)
    assert all(answer.accepted for answer in await sending)
    await scene.assert_nothing_lost_or_doubled()
    scene.deployment.check_alive()


async def test_captures_wait_for_their_images(scene, without):
    """The worker finds the object store away: it waits, and gives nothing to the dead letters."""
    stop, start = without
    worker = scene.deployment.services["recognition-worker"]
    await asyncio.to_thread(worker.stop)
    await scene.send(scene.shots(CAPTURES))
    await stop("object-store", kill=True)
    worker = await asyncio.to_thread(scene.deployment.start, "recognition-worker", wait=False)

    async def retried() -> bool | None:
        try:
            response = await scene.plant.client.get(f"{worker.url}/metrics")
        except httpx.TransportError:
            return None  # not listening yet
        return "delivery_retries_total{" in response.text or None

    await scene.until(retried, within=60, what="the worker retries")
    await start("object-store")
    log, stores = await scene.assert_nothing_lost_or_doubled()
    assert not log.dead
    assert len(stores.captures) == CAPTURES
