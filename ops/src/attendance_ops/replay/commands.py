"""The commands that replay: plan, show, ask, run, verify; and one that does all of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer
from typer.core import TyperGroup

from attendance_ops import options
from attendance_ops.console import Json, Yes, agreed, hint, progress, run, say, say_json, table
from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.selection import Selection
from attendance_ops.log.spans import spans_of
from attendance_ops.operations import Operations, step_of
from attendance_ops.replay.journal import Job, jobs_of, said_of
from attendance_ops.replay.pacing import Pace
from attendance_ops.replay.plan import NEEDS_TWO_ABOVE, Plan, make_plan, read_plan, write_plan
from attendance_ops.replay.run import run_plan
from attendance_ops.replay.show import job_as_json, show_balance, show_plan, show_step
from attendance_ops.replay.verify import Balance, verify
from attendance_ops.settings import Settings
from attendance_schemas.events import ReplayRecorded, ReplayState

if TYPE_CHECKING:  # Typer brings its own copy of click
    from typer._click.core import Context

PlanFile = Annotated[
    Path, typer.Argument(help="A plan, as `replay plan` wrote it.", exists=True, dir_okay=False)
]
JobId = Annotated[UUID, typer.Argument(help="Id of a replay, as `replay list` prints it.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Records a second, at most.")]
MostBehind = Annotated[
    int, typer.Option(min=0, help="Wait while the service that reads them is more records behind.")
]
To = Annotated[
    str | None,
    typer.Option("--to-topic", help="A side topic, by its full name, instead of the topic itself."),
]
RATE, MOST_BEHIND = 200.0, 10_000


class TopicOrCommand(TyperGroup):
    """`replay TOPIC` is `replay now TOPIC`."""

    def resolve_command(self, context: Context, arguments: list[str]) -> Any:
        """Take what is no command for a topic."""
        if arguments and arguments[0] not in self.commands:
            arguments = ["now", *arguments]
        return super().resolve_command(context, arguments)


replay = typer.Typer(
    cls=TopicOrCommand, help="Consume the past again.", no_args_is_help=True, rich_markup_mode=None
)


def _planning(
    read: Callable[[], Selection], to: str | None = None
) -> Callable[[Settings], Coroutine[Any, Any, Plan]]:
    async def work(settings: Settings) -> Plan:
        selection = read()
        async with options.opened(settings) as log:
            spans = await spans_of(log.whole, selection)
            with progress("planning", sum(span.count for span in spans.values())) as looked:
                return await make_plan(
                    log, selection, spans, to=to, operator=settings.operator, progress=looked
                )

    return work


@replay.command("plan")
def plan_command(
    topic: Annotated[str, typer.Argument(help="Topic, with or without `attendance.`.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Where to write the plan.")] = Path("replay-plan.json"),
    since: options.Since = None,
    until: options.Until = None,
    partition: options.Partition = None,
    offset: options.Offsets = None,
    key: options.Key = None,
    event: options.EventName = None,
    reason: options.Reason = None,
    where: options.Where = None,
    header: options.Header = None,
    to_topic: To = None,
    as_json: Json = False,
) -> None:
    """Say what a replay would publish, and write a plan."""
    if out.exists():
        raise typer.BadParameter(f"{out} is there already; name another file", param_hint="--out")
    read = partial(
        options.selection_of,
        topic,
        since=since,
        until=until,
        partition=partition,
        offset=offset,
        key=key,
        event=event,
        reason=reason,
        where=where,
        header=header,
    )
    plan = run(_planning(read, to_topic))
    out.write_bytes(write_plan(plan))
    if as_json:
        sys.stdout.write(write_plan(plan).decode())
        return
    show_plan(plan)
    say(f"written to {out}; next: attendance-ops replay {'approve' if plan.needs_two else 'run'} {out}")


@replay.command("run")
def run_command(
    file: PlanFile,
    *,
    rate: Rate = RATE,
    most_behind: MostBehind = MOST_BEHIND,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Publish what a plan selects, or go on with it.

    The same command goes on after a pause, a crash or an outage.
    """
    plan = _read(file)
    if not as_json:
        show_plan(plan)
    if not agreed(f"Publish {plan.count:,} records to {plan.target}?", yes=yes):
        say("nothing was done")
        return
    last = run(_running(plan, Pace(rate, most_behind)))
    show_step(last, as_json=as_json)


@replay.command("approve")
def approve(file: PlanFile, *, yes: Yes = False) -> None:
    """Allow a plan of many records, as the second person."""
    plan = _read(file)
    show_plan(plan)
    if not agreed(f"Allow {plan.made_by} to publish {plan.count:,} records to {plan.target}?", yes=yes):
        say("nothing was done")
        return

    async def work(settings: Settings) -> None:
        if settings.operator == plan.made_by:
            raise NotAllowed(f"{plan.made_by} made this plan; somebody else has to approve it")
        async with options.operating(settings) as operations:
            job = jobs_of(await operations.replays()).get(plan.plan_id)
            if job is not None and job.is_over:
                raise NotAllowed(f"this replay is over ({job.state}); make a new plan to do it again")
            await operations.record(
                step_of(
                    plan.plan_id,
                    ReplayState.APPROVED,
                    runner_id=uuid4(),
                    operator=settings.operator,
                    plan=write_plan(plan).decode(),
                )
            )

    run(work)
    say(f"approved; next, {plan.made_by}: attendance-ops replay run {file}")


@replay.command("verify")
def verify_command(job_id: JobId, *, as_json: Json = False) -> None:
    """Say whether a replay adds up: planned, published, handled, dead."""
    balance, job = run(_verifying(job_id))
    show_balance(balance, job, as_json=as_json)


@replay.command("list")
def list_jobs(*, as_json: Json = False) -> None:
    """List replays, with how far they are."""

    async def work(settings: Settings) -> list[Job]:
        async with options.operating(settings) as operations:
            return list(jobs_of(await operations.replays()).values())

    jobs = run(work)
    if as_json:
        say_json([job_as_json(each) for each in jobs])
        return
    if not jobs:
        say("no replays")
        return
    table(
        "Replays",
        ("replay", "state", "published", "of", "by"),
        [
            (
                each.job_id,
                (each.state or ReplayState.APPROVED).value.lower(),
                each.last and each.last.published_count,
                each.plan and each.plan.count,
                each.last and each.last.recorded_by,
            )
            for each in jobs
        ],
        right="published of",
    )


@replay.command("pause")
def pause(job_id: JobId) -> None:
    """Let a replay stop; `replay run` with its plan goes on."""
    run(_saying(job_id, ReplayState.PAUSED))
    say("it stops within seconds; `attendance-ops replay run` with its plan goes on")


@replay.command("cancel")
def cancel(job_id: JobId) -> None:
    """End a replay for good; what was published stays published."""
    run(_saying(job_id, ReplayState.CANCELLED))
    say("it stops within seconds, for good; what was published stays published")


@replay.command("now")
def now(
    topic: Annotated[str, typer.Argument(help="Topic, with or without `attendance.`.")],
    *,
    since: options.Since = None,
    until: options.Until = None,
    key: options.Key = None,
    event: options.EventName = None,
    where: options.Where = None,
    rate: Rate = RATE,
    most_behind: MostBehind = MOST_BEHIND,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Do all of it in one go: `replay TOPIC` for short.

    Plan, show, ask, run and verify, for up to 10,000 records.
    """
    read = partial(options.selection_of, topic, since=since, until=until, key=key, event=event, where=where)
    plan = run(_planning(read))
    if not as_json:
        show_plan(plan)
    if plan.needs_two:
        say(f"more than {NEEDS_TWO_ABOVE:,} records need a plan in a file, and a second person: replay plan")
        raise typer.Exit(2)
    if not agreed(f"Publish {plan.count:,} records to {plan.target}?", yes=yes):
        say("nothing was done")
        return
    last = run(_running(plan, Pace(rate, most_behind)))
    if last.state is not ReplayState.DONE:
        show_step(last, as_json=as_json)
        return
    if not as_json:
        show_step(last, as_json=False)
    balance, job = run(_verifying(plan.plan_id))
    show_balance(balance, job, as_json=as_json)


def _running(plan: Plan, pace: Pace) -> Callable[[Settings], Coroutine[Any, Any, ReplayRecorded]]:
    async def work(settings: Settings) -> ReplayRecorded:
        async with options.operating(settings) as operations:
            with progress("publishing", plan.count) as sent:
                return await run_plan(
                    operations, plan, operator=settings.operator, pace=pace, progress=sent, notice=hint
                )

    return work


def _verifying(job_id: UUID) -> Callable[[Settings], Coroutine[Any, Any, tuple[Balance, Job]]]:
    async def work(settings: Settings) -> tuple[Balance, Job]:
        async with options.operating(settings) as operations:
            job = await _job(operations, job_id)
            with progress("verifying") as looked:
                return await verify(operations, job, looked), job

    return work


def _saying(job_id: UUID, state: ReplayState) -> Callable[[Settings], Coroutine[Any, Any, None]]:
    async def work(settings: Settings) -> None:
        async with options.operating(settings) as operations:
            job = await _job(operations, job_id)
            if job.is_over:
                raise NotAllowed(f"{job_id} is over ({job.state})")
            if job.last is None and state is ReplayState.PAUSED:
                raise NotAllowed(f"{job_id} did not begin; to have it never begin, cancel it")
            await operations.record(said_of(job, state, operator=settings.operator))

    return work


async def _job(operations: Operations, job_id: UUID) -> Job:
    job = jobs_of(await operations.replays()).get(job_id)
    if job is None:
        raise WrongSelection(f"there is no replay {job_id}; `attendance-ops replay list` lists them")
    return job


def _read(file: Path) -> Plan:
    content = file.read_bytes()

    async def work(_settings: Settings) -> Plan:
        return read_plan(content)

    return run(work)
