"""Where each replay stands, as the operations tell it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from attendance_ops.operations import step_of
from attendance_ops.replay.plan import Plan, decode_plan
from attendance_schemas.events import ReplayRecorded, ReplayState

ENDS = frozenset({ReplayState.DONE, ReplayState.CANCELLED, ReplayState.FAILED})


@dataclass(slots=True)
class Job:
    """A replay: its plan, who approved it, and its last step."""

    job_id: UUID
    plan: Plan | None = None
    digest: str | None = None
    approved_by: str | None = None
    last: ReplayRecorded | None = None
    target_starts: dict[int, int] = field(default_factory=dict)

    @property
    def state(self) -> ReplayState | None:
        """Return where it stands; None: it did not begin."""
        return None if self.last is None else self.last.state

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more of it is published."""
        return self.state in ENDS

    def add(self, step: ReplayRecorded) -> None:
        """Take the next step of the log in."""
        if step.plan is not None:
            plan = decode_plan(step.plan.encode())
            if step.state is ReplayState.APPROVED:
                self.approved_by, self.digest = step.recorded_by, plan.digest()
                self.plan = self.plan or plan
                return
            self.plan = plan
            self.target_starts = {each.partition: each.next_offset for each in step.target_positions}
        self.last = step


def jobs_of(steps: Iterable[ReplayRecorded]) -> dict[UUID, Job]:
    """Return every job by its id, which is that of its plan, in the order of their first steps."""
    found: dict[UUID, Job] = {}
    for step in steps:
        found.setdefault(step.job_id, Job(step.job_id)).add(step)
    return found


def stopping_step(steps: Iterable[ReplayRecorded], job_id: UUID, runner_id: UUID) -> ReplayRecorded | None:
    """Return what stops a process that runs a job: another's later claim, or a word since its own.

    The last step alone does not say: a checkpoint may come after a word that its process has not read.
    """
    ours = [each for each in steps if each.job_id == job_id and each.state is not ReplayState.APPROVED]
    seen: set[UUID] = set()
    since: list[ReplayRecorded] = []
    for each in ours:
        is_first = each.runner_id not in seen
        seen.add(each.runner_id)
        if each.runner_id == runner_id:
            since = [] if is_first else since
        elif runner_id in seen and (each.state is not ReplayState.RUNNING or is_first):
            since.append(each)
    return since[-1] if since else None


def said_of(job: Job, state: ReplayState, *, operator: str) -> ReplayRecorded:
    """Return what somebody else than its runner says of a job; how far it is stays."""
    last = job.last
    return step_of(
        job.job_id,
        state,
        runner_id=uuid4(),
        operator=operator,
        positions=last.positions if last else (),
        target_positions=last.target_positions if last else (),
        published_count=last.published_count if last else 0,
        set_aside_count=last.set_aside_count if last else 0,
    )
