"""The command `rollout`: which model decides and which one runs beside it, recorded for the whole fleet.

Each step is checked against what is known: the registry (licence, thresholds) and the gallery (who has
templates of which model). Workers follow the record within a second or so; nothing is restarted.
"""

import argparse
import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from attendance_schemas.topics import MODEL_ROLLOUTS
from recognition_worker.adapters.topics.kafka_rollouts import recorded_plan, rollout_record
from recognition_worker.adapters.topics.kafka_snapshots import coverage_of_gallery
from recognition_worker.commands.evaluate import print_json
from recognition_worker.commands.kafka import connected, execute
from recognition_worker.commands.registry_arguments import add_registry, default_model, registry_of
from recognition_worker.domain.enrolment_coverage import Coverage
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.domain.rollout import Mode, RolloutPlan
from service_kit.kafka.producer import RecordProducer

_MOST_PERCENT = 100


def add_rollout(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `rollout`; its `execute` takes the parsed arguments and returns the exit code."""
    parser = commands.add_parser("rollout", help="show or change which model decides, for the whole fleet")
    steps = parser.add_subparsers(metavar="STEP", required=True)
    _step(steps, "show", "show what is recorded, and who is enrolled for which model")
    shadow = _step(steps, "shadow", "let a model score beside the deciding one; it never decides")
    canary = _step(steps, "canary", "let the model beside decide for some devices or sites")
    canary.add_argument("--percent", type=_percent, default=0, help="share of the devices, 1 to 100")
    canary.add_argument("--site", action="append", default=[], metavar="SITE_ID", help="a site; repeatable")
    promote = _step(steps, "promote", "let the model beside decide everywhere; the former stays beside it")
    for step in (canary, promote):
        step.add_argument(
            "--force", action="store_true", help="although people without a template would not be found"
        )
    for step in (shadow, canary, promote):
        step.add_argument("model", metavar="MODEL", help="NAME or NAME@VERSION")
    _step(steps, "roll-back", "take the last step back: a canary to the shadow, a promotion to the former")
    _step(steps, "finish", "leave the deciding model alone")


def _step(
    steps: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, says: str
) -> argparse.ArgumentParser:
    step = steps.add_parser(name, help=says, description=says)
    step.add_argument("--by", default=os.environ.get("USER") or getpass.getuser(), help="who records it")
    step.add_argument("--json", action="store_true", help="print JSON and nothing else")
    step.add_argument(
        "--default-model",
        default=default_model(),
        help="what decides while nothing is recorded: the workers' RECOGNITION_WORKER_MODEL (%(default)s)",
    )
    add_registry(step)
    step.set_defaults(execute=partial(execute, _rollout), step=name)
    return step


async def _rollout(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    async with connected(MODEL_ROLLOUTS) as connection:
        plan = await recorded_plan(connection.kafka, connection.codec)
        plan = plan or RolloutPlan(registry.find(arguments.default_model).model)
        coverage = await coverage_of_gallery(connection.kafka, connection.codec)
        if arguments.step != "show":
            plan = _next(plan, arguments, registry, coverage)
            record = rollout_record(
                plan, connection.codec, connection.kafka, recorded_by=arguments.by, now=datetime.now(UTC)
            )
            async with RecordProducer(connection.kafka) as producer:
                await producer.send(record)
    _tell(plan, coverage, arguments)
    return 0


def _next(
    plan: RolloutPlan, arguments: argparse.Namespace, registry: ModelRegistry, coverage: Coverage
) -> RolloutPlan:
    """Return the plan after a step; ModelRefused or RolloutRefused."""
    if arguments.step in ("roll-back", "finish"):
        return plan.roll_back() if arguments.step == "roll-back" else plan.finish()
    manifest = registry.find(arguments.model)
    manifest.check_licence()
    candidate = manifest.model
    if arguments.step == "shadow":
        return plan.shadow(candidate)
    manifest.check_calibrated()
    steps: dict[str, Callable[[], RolloutPlan]] = {
        "canary": lambda: plan.canary(candidate, arguments.percent, tuple(arguments.site)),
        "promote": lambda: plan.promote(candidate),
    }
    found = steps[arguments.step]()
    if not arguments.force:
        coverage.require_complete(candidate, plan.deciding)
    return found


def _tell(plan: RolloutPlan, coverage: Coverage, arguments: argparse.Namespace) -> None:
    models = {*plan.models, *coverage.people}
    people = {str(model): coverage.count(model) for model in sorted(models, key=str)}
    missing = coverage.missing(plan.candidate, plan.deciding) if plan.candidate else 0
    if arguments.json:
        print_json(
            {
                "deciding": str(plan.deciding),
                "mode": plan.mode.value,
                "candidate": _named(plan.candidate),
                "percent": plan.percent,
                "sites": list(plan.sites),
                "promoted_from": _named(plan.promoted_from),
                "people": people,
                "missing": missing,
            }
        )
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{plan.deciding} decides{_beside(plan)}")
    for model, count in people.items():
        console.print(f"  {model}: {count} people enrolled")
    if missing:
        console.print(f"  {missing} people of {plan.deciding} have no template of {plan.candidate}: re-enrol")


def _beside(plan: RolloutPlan) -> str:
    match plan.mode:
        case Mode.SINGLE:
            return ", no other model runs"
        case Mode.SHADOW:
            return f"; {plan.candidate} scores beside it"
        case Mode.CANARY:
            sites = f" and the sites {', '.join(plan.sites)}" if plan.sites else ""
            return f"; {plan.candidate} decides for {plan.percent} % of the devices{sites}"


def _named(model: ModelId | None) -> str | None:
    return str(model) if model else None


def _percent(text: str) -> int:
    percent = int(text)
    if not 1 <= percent <= _MOST_PERCENT:
        raise argparse.ArgumentTypeError("a share from 1 to 100 is needed")
    return percent
