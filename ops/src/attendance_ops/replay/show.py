"""What the commands that replay print."""

from __future__ import annotations

from typing import Any

from attendance_ops.console import fail, say, say_json
from attendance_ops.log.times import shown
from attendance_ops.replay.journal import Job
from attendance_ops.replay.plan import Plan
from attendance_ops.replay.verify import Balance
from attendance_schemas.events import ReplayRecorded, ReplayState

BAR_WIDTH = 40


def show_plan(plan: Plan) -> None:
    """Print what a plan selects, over time, and its warnings."""
    say(
        f"{plan.count:,} of {plan.looked_at:,} records of {plan.topic} "
        f"({plan.bytes:,} bytes) go to {plan.target}"
    )
    say(f"written from {shown(plan.first_at)} to {shown(plan.last_at)}, of {plan.senders:,} keys")
    most = max(bar.count for bar in plan.histogram)
    for bar in plan.histogram:
        say(f"  {shown(bar.since)} {'#' * round(bar.count / most * BAR_WIDTH):<{BAR_WIDTH}} {bar.count:,}")
    for warning in plan.warnings:
        say(f"  warning: {warning}")
    say("  What was applied before changes nothing; what was not is applied now.")


def show_step(last: ReplayRecorded, *, as_json: bool) -> None:
    """Print where a replay stands."""
    if as_json:
        say_json(
            {
                "job": str(last.job_id),
                "state": last.state.value,
                "published": last.published_count,
                "set_aside": last.set_aside_count,
                "detail": last.detail,
            }
        )
        _fail_if_failed(last)
        return
    say(f"{last.state.value.lower()}: {last.published_count:,} published by replay {last.job_id}")
    if last.set_aside_count:
        say(f"{last.set_aside_count:,} set aside: they went round too often")
    _fail_if_failed(last)


def _fail_if_failed(last: ReplayRecorded) -> None:
    if last.state is ReplayState.FAILED:
        fail(f"{last.detail}; what was published stays published, so make a new plan for what is missing")


def show_balance(balance: Balance, job: Job, *, as_json: bool) -> None:
    """Print whether a replay adds up; exit code 1 when it does not."""
    if as_json:
        say_json({"job": str(job.job_id), **balance.as_json()})
    else:
        say(
            f"planned {balance.planned:,} = published {balance.published:,} "
            f"+ set aside {balance.set_aside:,}; published = handled {balance.handled:,} "
            f"+ dead {balance.dead:,} + unread {balance.unread:,}"
        )
        if job.plan is not None and job.plan.is_side_topic:
            say(f"no service of ours reads {job.plan.target}, so nothing of it is handled")
        if balance.twice:
            say(
                f"{balance.twice:,} were published twice: a run was killed, or two ran at once. "
                "They count once"
            )
    if not balance.is_right:
        fail(
            f"it does not add up, and it is {str(job.state).lower()}: plan what is missing anew"
            if job.is_over
            else "it does not add up; run it again: it goes on where it stopped"
        )


def job_as_json(job: Job) -> dict[str, Any]:
    """Return a job for scripts."""
    return {
        "job": str(job.job_id),
        "state": None if job.state is None else job.state.value,
        "published": job.last and job.last.published_count,
        "planned": job.plan and job.plan.count,
        "topic": job.plan and job.plan.topic,
        "target": job.plan and job.plan.target,
        "by": job.last and job.last.recorded_by,
        "approved_by": job.approved_by,
    }
