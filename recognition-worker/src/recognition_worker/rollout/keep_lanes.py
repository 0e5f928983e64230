"""Makes what is loaded follow the rollout that is recorded, while captures are being decided.

A model that is wanted is loaded in the background and gets its whole gallery before it takes part; then the
set of lanes is swapped at once. A candidate that cannot be loaded is reported and left out: it must not cost
a decision. A deciding model that cannot be loaded leaves the former one deciding, which fails readiness; at
the start there is no former one, and the worker does not start.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from recognition_worker.domain.identity import ModelId, Person, Site, TemplateId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.rollout import Mode, RolloutPlan
from recognition_worker.errors import ModelRefused
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.rollout.open_lane import FollowedGallery, LaneState, LaneStatus, OpenLane
from recognition_worker.rollout.side_by_side import SideBySide
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class KeepLanes:
    """Keeps the lanes; `want` may be called at any time on the event loop."""

    def __init__(
        self,
        manifest_of: Callable[[ModelId], ModelManifest],
        load: Callable[[ModelManifest], Lane],
        open_gallery: Callable[[Lane], Awaitable[FollowedGallery]],
        *,
        on_change: Callable[["KeepLanes"], None] = lambda _keeper: None,
    ) -> None:
        self.side_by_side = SideBySide(self._on_failure)
        self._manifest_of = manifest_of
        self._load = load
        self._open_gallery = open_gallery
        self._on_change = on_change
        self._open: dict[ModelId, OpenLane] = {}
        self._status: dict[ModelId, LaneStatus] = {}
        self._wanted: RolloutPlan | None = None
        self._in_force: RolloutPlan | None = None
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def in_force(self) -> RolloutPlan:
        """Return the plan that decisions follow."""
        if self._in_force is None:
            raise TransientFailure("startup", "no model is loaded yet")
        return self._in_force

    @property
    def has_started(self) -> bool:
        """Whether a model decides."""
        return self._in_force is not None

    @property
    def status(self) -> dict[ModelId, LaneStatus]:
        """Return the state of each model that is wanted or in use."""
        return dict(self._status)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the loaded lanes."""
        return tuple(entry.lane for entry in self._open.values())

    def knows(self) -> dict[ModelId, tuple[int, ...]]:
        """Return by model, and by partition, where the gallery's topic is read on."""
        return {model: entry.gallery.offsets for model, entry in self._open.items()}

    def decides(self, site: Site, device_id: str) -> ModelId:
        """Return the model whose decision counts for a device of a site."""
        return self.in_force.decides(site, device_id)

    def want(self, plan: RolloutPlan) -> None:
        """Follow another plan as soon as its models are loaded."""
        self._wanted = plan
        self._changed.set()

    async def start(self, plan: RolloutPlan) -> None:
        """Load the deciding model with its gallery; the candidate follows in the background.

        plan: what holds unless another one is wanted already.

        Raises:
            ModelRefused: the deciding model must not or cannot be loaded.
        """
        self._loop = asyncio.get_running_loop()
        first = self._wanted or plan
        self._manifest_of(first.deciding).check_calibrated()
        await self._open_lane(first.deciding)
        self._put_in_force(RolloutPlan(first.deciding))
        self.want(self._wanted or plan)  # one may have come while the models were being loaded

    async def keep(self) -> None:
        """Follow what is wanted; ends only by a bug in a gallery, which it raises."""
        while True:
            self._changed.clear()
            await self._follow()
            ends = [entry.ended for entry in self._open.values()]
            changed = asyncio.ensure_future(self._changed.wait())
            try:
                await asyncio.wait([*ends, changed], return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            for ended in ends:
                if ended.done():
                    ended.result()
                    return

    async def stop(self) -> None:
        """Stop following the galleries."""
        for entry in self._open.values():
            await entry.close()

    async def check_gallery(self) -> None:
        """Raise unless the deciding model's gallery is complete and following; for readiness."""
        await self._open[self.in_force.deciding].gallery.check()

    async def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        """Return a person's templates of enrolments until an instant, those of all models."""
        return await self._open[self.in_force.deciding].gallery.requested_until(person, instant)

    async def came_back(self) -> list[tuple[Person, TemplateId]]:
        """Return templates of erased enrolments that are on the topic now."""
        return await self._open[self.in_force.deciding].gallery.came_back()

    async def check_rollout(self) -> None:
        """Raise while the model that should decide is not the one that does; for readiness."""
        wanted = self._wanted
        if wanted is not None and wanted.deciding != self.in_force.deciding:
            status = self._status.get(wanted.deciding, LaneStatus(LaneState.LOADING))
            raise TransientFailure(
                "rollout",
                f"{self.in_force.deciding} still decides, {wanted.deciding} should: {status.state.value} "
                f"{status.reason}".rstrip(),
            )

    def describe(self) -> str:
        """Say which model does what here."""
        return "; ".join(
            f"{model} {status.state.value}{': ' if status.reason else ''}{status.reason}"
            for model, status in self._status.items()
        )

    async def _follow(self) -> None:
        plan = self._wanted
        if plan is None:
            return
        for model in plan.models:
            if model not in self._open:
                await self._try(model)
            if self._wanted is not plan:
                return  # a newer plan came while this one was loading: `keep` goes on with it
        if plan.deciding in self._open:
            self._put_in_force(self._allowed(plan))
            await self._close_all_but(plan.models)

    async def _try(self, model: ModelId) -> None:
        self._tell(model, LaneStatus(LaneState.LOADING))
        try:
            await self._open_lane(model)
        except ModelRefused as refusal:
            log.exception("a model of the rollout is refused", model=str(model))
            self._tell(model, LaneStatus(LaneState.REFUSED, str(refusal)))

    async def _open_lane(self, model: ModelId) -> None:
        lane = await asyncio.to_thread(self._load, self._manifest_of(model))
        gallery = await self._open_gallery(lane)
        ended = asyncio.create_task(gallery.join(), name=f"gallery of {model}")
        self._open[model] = OpenLane(lane, gallery, ended)
        log.info("a model is loaded", model=str(model), templates=lane.gallery.template_count)

    def _allowed(self, plan: RolloutPlan) -> RolloutPlan:
        """Return the plan as far as it may be followed: what is not calibrated never decides."""
        candidate = plan.candidate
        if candidate is None or candidate not in self._open:
            return RolloutPlan(plan.deciding, promoted_from=plan.promoted_from)
        if plan.mode is Mode.CANARY and not self._open[candidate].lane.manifest.calibrated:
            log.error("a canary without thresholds stays in the shadow", model=str(candidate))
            return plan.without_canary()
        return plan

    def _put_in_force(self, plan: RolloutPlan) -> None:
        if not self._open[plan.deciding].lane.manifest.calibrated:
            reason = f"{plan.deciding} has no calibrated thresholds and must not decide"
            self._tell(plan.deciding, LaneStatus(LaneState.REFUSED, reason))
            return
        before, self._in_force = self._in_force, plan
        self.side_by_side.use([self._open[model].lane for model in plan.models])
        kept = self._wanted.models if self._wanted else plan.models
        self._status = {
            model: status for model, status in self._status.items() if model in {*kept, *plan.models}
        }
        states = {Mode.CANARY: LaneState.CANARY}
        self._status[plan.deciding] = LaneStatus(LaneState.DECIDING)
        if plan.candidate is not None:
            self._status[plan.candidate] = LaneStatus(states.get(plan.mode, LaneState.SHADOW))
        if plan != before:
            log.info("the rollout is in force", deciding=str(plan.deciding), models=self.describe())
        self._on_change(self)

    async def _close_all_but(self, models: tuple[ModelId, ...]) -> None:
        for model in [model for model in self._open if model not in models]:
            await self._open.pop(model).close()
            log.info("a model is no longer needed", model=str(model))

    def _on_failure(self, model: ModelId, failure: Exception) -> None:
        """Note that a candidate failed; called from an inference thread, which has left it out."""
        log.error(
            "a model beside the deciding one failed and is left out", model=str(model), exc_info=failure
        )
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._failed, model, repr(failure))

    def _failed(self, model: ModelId, reason: str) -> None:
        if self._in_force is not None and self._in_force.candidate == model:
            self._in_force = replace(self._in_force, candidate=None, mode=Mode.SINGLE, percent=0, sites=())
        self._tell(model, LaneStatus(LaneState.FAILED, reason))

    def _tell(self, model: ModelId, status: LaneStatus) -> None:
        self._status[model] = status
        self._on_change(self)
