"""kill -9 under load: nothing lost, nothing counted twice. Rounds: 3 in CI, 20 in `make chaos`."""

import asyncio

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.chaos]

CAPTURES_PER_ROUND = 40


async def rounds_of_kills(scene, service: str, rounds: int) -> None:
    for round_number in range(rounds):
        shots = scene.shots(CAPTURES_PER_ROUND)
        sending = asyncio.create_task(scene.send(shots))
        started = len(scene.kiosk.accepted)
        await scene_has_accepted(scene, started + CAPTURES_PER_ROUND // 4 + round_number % 3)
        scene.deployment.services[service].kill()
        await scene_has_accepted(scene, started + CAPTURES_PER_ROUND // 2)
        await asyncio.to_thread(scene.deployment.start, service)
        assert all(answer.accepted for answer in await sending)
    _, stores = await scene.assert_nothing_lost_or_doubled(within=240)
    assert len(stores.captures) == rounds * CAPTURES_PER_ROUND
    assert stores.by_outcome()["IDENTIFIED"] == rounds * CAPTURES_PER_ROUND


async def scene_has_accepted(scene, count: int) -> None:
    deadline = asyncio.get_running_loop().time() + 60
    while len(scene.kiosk.accepted) < count:
        assert asyncio.get_running_loop().time() < deadline, (
            f"ingest accepted {len(scene.kiosk.accepted)} only"
        )
        await asyncio.sleep(0.01)


async def test_killed_worker_loses_nothing(scene, chaos_rounds):
    await rounds_of_kills(scene, "recognition-worker", chaos_rounds)


async def test_killed_projector_loses_nothing(scene, chaos_rounds):
    await rounds_of_kills(scene, "attendance-projector", chaos_rounds)
