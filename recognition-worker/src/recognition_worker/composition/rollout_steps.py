"""The command `rollout`: reads what is recorded, takes a step when it is allowed, and records it.

Each step is checked against what is known: the registry (licence, thresholds) and the gallery (who has
templates of which model). Workers follow the record within a second or so; nothing is restarted.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from attendance_schemas.topics import MODEL_ROLLOUTS
from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.adapters.topics.kafka_rollouts import recorded_rollout, rollout_record
from recognition_worker.adapters.topics.kafka_snapshots import coverage_of_gallery
from recognition_worker.composition.answer import Answer
from recognition_worker.composition.kafka import Connected, connected
from recognition_worker.domain.enrolment_coverage import Coverage
from recognition_worker.domain.identity import ModelId, Site
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.domain.rollout import Mode, RolloutPlan
from recognition_worker.errors import RolloutRefused
from service_kit.kafka.producer import RecordProducer

Step = Callable[[RolloutPlan, ModelRegistry, Coverage], RolloutPlan]
"""The plan after a step; ModelRefused or RolloutRefused."""


def shadow(wanted: str) -> Step:
    """Let a model score beside the deciding one."""

    def step(plan: RolloutPlan, registry: ModelRegistry, _coverage: Coverage) -> RolloutPlan:
        manifest = registry.find(wanted)
        manifest.check_licence()
        return plan.shadow(manifest.model)

    return step


def canary(wanted: str, percent: int, sites: tuple[Site, ...], *, force: bool) -> Step:
    """Let the model beside decide for some devices or sites."""
    return _deciding(wanted, lambda plan, candidate: plan.canary(candidate, percent, sites), force=force)


def promote(wanted: str, *, force: bool) -> Step:
    """Let the model beside decide everywhere."""
    return _deciding(wanted, RolloutPlan.promote, force=force)


def roll_back(plan: RolloutPlan, _registry: ModelRegistry, _coverage: Coverage) -> RolloutPlan:
    """Take the last step back."""
    return plan.roll_back()


def finish(plan: RolloutPlan, _registry: ModelRegistry, _coverage: Coverage) -> RolloutPlan:
    """Leave the deciding model alone."""
    return plan.finish()


async def take(step: Step | None, *, by: str, default_model: str, models: Path | None) -> Answer:
    """Take a step and record it; without one, only say what is recorded."""
    registry = read_registry(models)
    async with connected(MODEL_ROLLOUTS) as connection:
        recorded = await recorded_rollout(connection.kafka, connection.codec)
        plan = recorded.plan or RolloutPlan(registry.find(default_model).model)
        coverage = await coverage_of_gallery(connection.kafka, connection.codec)
        if step is not None:
            plan = step(plan, registry, coverage)
            await _record(plan, recorded.next_version, by, connection)
    return Answer(partial(_show, plan, coverage), partial(_json, plan, coverage))


async def _record(plan: RolloutPlan, version: int, by: str, connection: Connected) -> None:
    kafka, codec = connection.kafka, connection.codec
    record = rollout_record(plan, version, codec, kafka, recorded_by=by, now=datetime.now(UTC))
    async with RecordProducer(kafka, forget_late=True) as producer:
        await producer.send(record)
    in_force = (await recorded_rollout(kafka, codec)).record
    if in_force is None or in_force.value != record.value:
        raise RolloutRefused(
            "another step was recorded at the same moment and is in force; look at it with `rollout show`, "
            "and take yours again if it still fits"
        )


def _deciding(wanted: str, change: Callable[[RolloutPlan, ModelId], RolloutPlan], *, force: bool) -> Step:
    """Let a model decide, unless it must not, or would not find people whom the deciding one finds."""

    def step(plan: RolloutPlan, registry: ModelRegistry, coverage: Coverage) -> RolloutPlan:
        manifest = registry.find(wanted)
        manifest.check_licence()
        manifest.check_calibrated()
        found = change(plan, manifest.model)
        if not force:
            coverage.require_complete(manifest.model, plan.deciding)
        return found

    return step


def _json(plan: RolloutPlan, coverage: Coverage) -> dict[str, object]:
    return {
        "deciding": str(plan.deciding),
        "mode": plan.mode.value,
        "candidate": _named(plan.candidate),
        "percent": plan.percent,
        "sites": list(map(str, plan.sites)),
        "promoted_from": _named(plan.promoted_from),
        "people": _people(plan, coverage),
        "missing": _missing(plan, coverage),
    }


def _show(plan: RolloutPlan, coverage: Coverage) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{plan.deciding} decides{_beside(plan)}")
    for model, count in _people(plan, coverage).items():
        console.print(f"  {model}: {count} people enrolled")
    if missing := _missing(plan, coverage):
        console.print(f"  {missing} people of {plan.deciding} have no template of {plan.candidate}: re-enrol")


def _people(plan: RolloutPlan, coverage: Coverage) -> dict[str, int]:
    models = {*plan.models, *coverage.people}
    return {str(model): coverage.count(model) for model in sorted(models, key=str)}


def _missing(plan: RolloutPlan, coverage: Coverage) -> int:
    return coverage.missing(plan.candidate, plan.deciding) if plan.candidate else 0


def _beside(plan: RolloutPlan) -> str:
    match plan.mode:
        case Mode.SINGLE:
            return ", no other model runs"
        case Mode.SHADOW:
            return f"; {plan.candidate} scores beside it"
        case Mode.CANARY:
            sites = f" and the sites {', '.join(map(str, plan.sites))}" if plan.sites else ""
            return f"; {plan.candidate} decides for {plan.percent} % of the devices{sites}"


def _named(model: ModelId | None) -> str | None:
    return str(model) if model else None
