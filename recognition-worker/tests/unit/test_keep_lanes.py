import asyncio

import msgspec
import pytest

from recognition_worker.domain.identity import ModelId, OrgId, Site, SiteId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.rollout import Mode, RolloutPlan
from recognition_worker.errors import ModelRefused
from recognition_worker.rollout.keep_lanes import KeepLanes, LaneState
from recognition_worker.rollout.model_lanes import Lane
from service_kit.errors import TransientFailure

NEW = ModelId("Brush", "2")
BARE = ModelId("Pencil", "3")
LOCKED = ModelId("Locked", "4")
HQ = Site(OrgId("acme"), SiteId("hq"))


class FollowedGallery:
    def __init__(self) -> None:
        self.stopped = False
        self.ended = asyncio.Event()
        self.bug: Exception | None = None

    async def check(self) -> None:
        return

    async def join(self) -> None:
        await self.ended.wait()
        if self.bug:
            raise self.bug

    async def stop(self) -> None:
        self.stopped = True


class Fleet:
    """One worker's lanes over painted models."""

    def __init__(self, world) -> None:
        self.world = world
        manifest = world.identify._manifest
        self.old = manifest.model
        self.manifests = {
            self.old: manifest,
            NEW: msgspec.structs.replace(manifest, name="Brush", version="2"),
            BARE: msgspec.structs.replace(manifest, name="Pencil", version="3", operating_points=()),
            LOCKED: msgspec.structs.replace(manifest, name="Locked", version="4", licence="CC-BY-NC-4.0"),
        }
        self.galleries: dict[ModelId, FollowedGallery] = {}
        self.changes: list[str] = []
        self.keeper = KeepLanes(
            self.manifests.__getitem__,
            self.load,
            self.open,
            on_change=lambda k: self.changes.append(k.describe()),
        )

    def load(self, manifest: ModelManifest) -> Lane:
        manifest.check_licence()
        world = self.world
        return Lane.over(world.analyser, world.embedder, world.gallery, manifest, world.clock)

    async def open(self, lane: Lane) -> FollowedGallery:
        self.galleries[lane.model] = FollowedGallery()
        return self.galleries[lane.model]

    async def until(self, state: str) -> None:
        async with asyncio.timeout(5):
            while state not in self.keeper.describe():  # noqa: ASYNC110 - a thread loads
                await asyncio.sleep(0.001)


@pytest.fixture
async def fleet(world):
    made = Fleet(world)
    await made.keeper.start(RolloutPlan(made.old))
    keeping = asyncio.create_task(made.keeper.keep())
    yield made
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await made.keeper.stop()


async def test_a_candidate_is_loaded_in_the_background_and_promoted_without_a_restart(fleet: Fleet) -> None:
    plan = RolloutPlan(fleet.old).shadow(NEW)
    fleet.keeper.want(plan)
    await fleet.until("Brush 2 shadow")
    assert fleet.keeper.side_by_side.models == (fleet.old, NEW)
    assert any("Brush 2 loading" in change for change in fleet.changes)
    fleet.keeper.want(plan.canary(NEW, 100, ()))
    await fleet.until("Brush 2 canary")
    assert fleet.keeper.decides(HQ, "kiosk-1") == NEW
    fleet.keeper.want(promoted := plan.promote(NEW))
    await fleet.until("Brush 2 deciding")
    assert fleet.keeper.side_by_side.models == (NEW, fleet.old)
    fleet.keeper.want(promoted.roll_back())
    await fleet.until(f"{fleet.old} deciding")
    fleet.keeper.want(RolloutPlan(fleet.old))
    async with asyncio.timeout(5):
        while not fleet.galleries[NEW].stopped:  # noqa: ASYNC110 - another task stops it
            await asyncio.sleep(0.001)
    assert fleet.keeper.describe() == f"{fleet.old} deciding"
    assert not fleet.galleries[fleet.old].stopped


async def test_a_candidate_that_is_refused_is_told_and_costs_nothing(fleet: Fleet) -> None:
    fleet.keeper.want(RolloutPlan(fleet.old).shadow(LOCKED))
    await fleet.until("Locked 4 refused: model Locked 4 is under the licence")
    assert fleet.keeper.side_by_side.models == (fleet.old,)
    await fleet.keeper.check_rollout()


async def test_a_deciding_model_that_is_refused_leaves_the_former_one_and_fails_readiness(
    fleet: Fleet,
) -> None:
    fleet.keeper.want(RolloutPlan(LOCKED))
    await fleet.until("Locked 4 refused")
    assert fleet.keeper.decides(HQ, "kiosk-1") == fleet.old
    with pytest.raises(TransientFailure, match=r"Paint 1 still decides, Locked 4 should: refused"):
        await fleet.keeper.check_rollout()


@pytest.mark.parametrize("mode", [Mode.CANARY, Mode.SHADOW])
async def test_a_model_without_thresholds_stays_in_the_shadow(fleet: Fleet, mode: Mode) -> None:
    fleet.keeper.want(RolloutPlan(fleet.old, mode, BARE, percent=100 if mode is Mode.CANARY else 0))
    await fleet.until("Pencil 3 shadow")
    assert fleet.keeper.decides(HQ, "kiosk-1") == fleet.old


async def test_a_model_without_thresholds_never_decides(fleet: Fleet, world) -> None:
    fleet.keeper.want(RolloutPlan(BARE))
    await fleet.until("Pencil 3 refused: Pencil 3 has no calibrated thresholds")
    assert fleet.keeper.in_force.deciding == fleet.old
    with pytest.raises(ModelRefused, match="must not decide"):
        await Fleet(world).keeper.start(RolloutPlan(BARE))


async def test_the_last_of_several_plans_is_followed(fleet: Fleet) -> None:
    fleet.keeper.want(RolloutPlan(fleet.old).shadow(BARE))
    fleet.keeper.want(RolloutPlan(fleet.old).shadow(NEW))
    await fleet.until("Brush 2 shadow")
    assert BARE not in fleet.keeper.status


async def test_a_candidate_that_fails_while_it_works_is_told(fleet: Fleet) -> None:
    fleet.keeper.want(RolloutPlan(fleet.old).shadow(NEW))
    await fleet.until("Brush 2 shadow")
    await asyncio.to_thread(fleet.keeper._on_failure, NEW, RuntimeError("out of paint"))
    await fleet.until("Brush 2 failed: RuntimeError('out of paint')")
    assert fleet.keeper.status[NEW].state is LaneState.FAILED
    assert fleet.keeper.decides(HQ, "kiosk-1") == fleet.old


async def test_a_bug_in_a_gallery_ends_the_worker(world) -> None:
    made = Fleet(world)
    await made.keeper.start(RolloutPlan(made.old))
    keeping = asyncio.create_task(made.keeper.keep())
    made.galleries[made.old].bug = KeyError("bug")
    made.galleries[made.old].ended.set()
    with pytest.raises(KeyError, match="bug"):
        await asyncio.wait_for(keeping, 5)
