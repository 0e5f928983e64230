"""Publishes what a plan selects, with a checkpoint every second; killed, the same command goes on.

1. Claim the job: a step with this process's id. A process that sees another's id stops.
2. Was it running, wait until the other process has seen that. Look into the target for what was published
   after the last checkpoint: that is passed over.
3. Publish, and wait until every in-sync replica has it.
4. Write a checkpoint: how far everything is published, and where the target ended before it was.
5. Look whether somebody paused or cancelled the job, or took it over.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from uuid import UUID, uuid4

from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.positions import positions_of, reader_of
from attendance_ops.log.provenance import MOST_ATTEMPTS, attempts_of, headers_of_again, job_of, origin_of
from attendance_ops.operations import CLOCKS_APART, Operations, Place, step_of
from attendance_ops.replay.journal import Job, jobs_of, stopping_step
from attendance_ops.replay.pacing import Pace, Pacing
from attendance_ops.replay.plan import Plan, write_plan
from attendance_schemas.events import ReplayPosition, ReplayRecorded, ReplayState
from service_kit.kafka.bounded_reading import Chunk, bounds_of, partitions_of, records_until
from service_kit.kafka.noted_offsets import why_not_of
from service_kit.kafka.records import OutgoingRecord, Record, TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity
from service_kit.settings import KafkaSettings

# So many are on their way at once.
BATCH = 1000
CHECKPOINT_SECONDS = 1.0
OTHERS_STOP_SECONDS = 3 * CHECKPOINT_SECONDS
OTHER_PLAN = "was it made with another OPS_TOKEN, or changed?"
Positions = dict[TopicPartition, int]


@dataclass(slots=True)
class Run:
    """A replay that goes on in this process.

    there: places whose records the target has already. behind: records that its reader has not done.
    """

    operations: Operations
    plan: Plan
    operator: str
    runner_id: UUID = field(default_factory=uuid4)
    published: int = 0
    set_aside: int = 0
    positions: Positions = field(default_factory=dict)
    target_positions: Positions = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    behind: int = 0
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def kafka(self) -> KafkaSettings:
        """Return where Kafka is."""
        return self.operations.log.kafka

    @property
    def source(self) -> str:
        """Return the full name of the topic that is read."""
        return self.kafka.topic(self.plan.topic)

    @property
    def target(self) -> str:
        """Return the full name of the topic that is published to."""
        return self.plan.target if self.plan.is_side_topic else self.kafka.topic(self.plan.target)

    def step(
        self, state: ReplayState, *, plan: str | None = None, detail: str | None = None
    ) -> ReplayRecorded:
        """Return where it stands now."""
        return step_of(
            self.plan.plan_id,
            state,
            runner_id=self.runner_id,
            operator=self.operator,
            plan=plan,
            positions=_told(self.plan.topic, self.positions),
            target_positions=_told(self.plan.target, self.target_positions),
            published_count=self.published,
            set_aside_count=self.set_aside,
            detail=detail,
        )


async def run_plan(
    operations: Operations,
    plan: Plan,
    *,
    operator: str,
    pace: Pace,
    progress: Callable[[int], None] = lambda _count: None,
    notice: Callable[[str], None] = lambda _sentence: None,
) -> ReplayRecorded:
    """Run a plan to its end, or to where somebody paused or cancelled it; return the last step.

    notice: told why it waits.

    Raises:
        NotAllowed: it is over, waits for a second person, or another process took it over.
        WrongSelection: the topic is another one than that of the plan.
        TransientFailure: Kafka is away; the same call goes on.
        LogLost: what it selects has expired meanwhile.
    """
    run = Run(operations, plan, operator)
    job = jobs_of(await operations.replays()).get(plan.plan_id, Job(plan.plan_id))
    _check(plan, job)
    await _check_topic(run)
    await _claim(run, job)
    await _look_into_target(run, job)
    if (stopping := await _stopping(run)) is not None:
        return await _ended(run, stopping.state, f"by {stopping.recorded_by}")
    return await _publish(run, pace, progress, notice)


def _check(plan: Plan, job: Job) -> None:
    if job.is_over:
        raise NotAllowed(f"this replay is over ({job.state}); make a new plan to do it again")
    if job.plan is not None and job.plan.digest() != plan.digest():
        raise NotAllowed("the file was changed since this replay began or was approved; make a new plan")
    if plan.needs_two and job.approved_by is None:
        raise NotAllowed(
            f"{plan.count:,} records need a second person: let somebody else run "
            "`attendance-ops replay approve` with this file"
        )


async def _check_topic(run: Run) -> None:
    ends = {TopicPartition(run.source, each.partition): each.end for each in run.plan.spans}
    identity = TopicIdentity(run.plan.cluster_id, run.plan.topic_id)
    if (why := await why_not_of(run.kafka, run.source, identity, ends)) is not None:
        raise WrongSelection(f"{why}; make a new plan")


async def _claim(run: Run, job: Job) -> None:
    """Say that this process runs the job."""
    last = job.last
    if last is None:
        run.positions = {TopicPartition(run.source, each.partition): each.first for each in run.plan.spans}
        run.target_positions = await _ends(run)
        plan = write_plan(run.plan).decode()
    else:
        plan = None
        run.positions = {
            TopicPartition(run.source, each.partition): each.next_offset for each in last.positions
        }
        run.target_positions = {
            TopicPartition(run.target, each.partition): each.next_offset for each in last.target_positions
        }
        run.published, run.set_aside = last.published_count, last.set_aside_count
    await run.operations.record(run.step(ReplayState.RUNNING, plan=plan))


async def _look_into_target(run: Run, job: Job) -> None:
    """Note the places whose records the target got of this job since the last checkpoint."""
    if job.last is None:
        return
    if job.last.state is ReplayState.RUNNING:
        # A process that still runs looks for this one's claim once in an interval, and stops.
        await asyncio.sleep(OTHERS_STOP_SECONDS)
    async with aclosing(records_until(run.kafka, run.target_positions, await _ends(run))) as chunks:
        async for chunk in chunks:
            ours = (each for each in chunk.records if job_of(each.headers) == str(run.plan.plan_id))
            origins = {origin for each in ours if (origin := origin_of(each.headers)) is not None}
            run.there |= {origin for origin in origins if not _is_passed(run, origin)}


def _is_passed(run: Run, origin: str) -> bool:
    """Tell whether the last checkpoint counts a place already."""
    place = Place.of(origin)
    return place is not None and place.offset < run.positions.get(
        TopicPartition(run.source, place.partition), 0
    )


async def _stopping(run: Run) -> ReplayRecorded | None:
    """Return the step by which somebody paused or cancelled the job. Raises NotAllowed: it was taken over."""
    steps = await run.operations.replays(run.began_at - CLOCKS_APART)
    last = stopping_step(steps, run.plan.plan_id, run.runner_id)
    if last is not None and last.state is ReplayState.RUNNING:
        raise NotAllowed(f"{last.recorded_by} runs this replay now; this process stops")
    return last


class _Checkpoints:
    """Writes a checkpoint every second beside the publishing, and hears what others say of the job."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._task: asyncio.Task[ReplayRecorded | None] | None = None
        self._begun_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()

    def turn(self) -> ReplayRecorded | None:
        """Begin the next one when it is time; return the step that stops the job. Raises as it did."""
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            if (stopping := task.result()) is not None:
                return stopping
        if self._task is None and time.monotonic() - self._begun_at >= CHECKPOINT_SECONDS:
            self._begun_at = time.monotonic()
            self._task = asyncio.create_task(_checkpoint(self._run))
        return None

    async def last(self) -> ReplayRecorded | None:
        """Write one with everything that was published; return the step that stops the job."""
        stopping = None if self._task is None else await self._task
        return stopping or await _checkpoint(self._run)


async def _publish(
    run: Run, pace: Pace, progress: Callable[[int], None], notice: Callable[[str], None]
) -> ReplayRecorded:
    selection, ends = (
        run.plan.selection(),
        {TopicPartition(run.source, each.partition): each.end for each in run.plan.spans},
    )
    pacing = Pacing(pace, reader_of(run.plan.target), notice)
    at_once = max(1, min(BATCH, int(pace.rate)))  # a second's worth, so that the rate is even
    reading = run.operations.log.whole.records_until(run.positions, ends, max_records=at_once)
    with _Checkpoints(run) as checkpoints:
        async with aclosing(reading) as chunks:
            async for chunk in chunks:
                meant = await run.operations.log.meant(selection, chunk.records)
                if run.published + run.set_aside + len(meant) > run.plan.count:
                    return await _ended(
                        run, ReplayState.FAILED, f"more is selected than planned: {OTHER_PLAN}"
                    )
                pacing.sent += await _send(run, chunk, meant)
                progress(len(meant))
                # Others say it on a topic, which is asked now and then.
                while (stopping := checkpoints.turn()) is None and (seconds := pacing.early(run.behind)):  # noqa: ASYNC110
                    await asyncio.sleep(min(seconds, CHECKPOINT_SECONDS))
                if stopping is not None:
                    return await _ended(run, stopping.state, f"by {stopping.recorded_by}")
        if (stopping := await checkpoints.last()) is not None:
            return await _ended(run, stopping.state, f"by {stopping.recorded_by}")
    if run.published + run.set_aside < run.plan.count:
        return await _ended(run, ReplayState.FAILED, f"less is selected than planned: {OTHER_PLAN}")
    return await _ended(run, ReplayState.DONE)


async def _ended(run: Run, state: ReplayState, detail: str | None = None) -> ReplayRecorded:
    last = run.step(state, detail=detail)
    await run.operations.record(last)
    return last


async def _send(run: Run, chunk: Chunk, meant: list[Record]) -> int:
    """Publish what is meant of a chunk, note that all of it is done with, and return how much was published.

    What a checkpoint says changes at once, after the last acknowledgement.
    """
    outgoing, passed, aside = [], set(), 0
    for record in meant:
        place = str(Place(run.plan.topic, record.partition, record.offset))
        if attempts_of(record.headers) >= MOST_ATTEMPTS:
            aside += 1
        elif place in run.there:
            passed.add(place)
        else:
            headers = headers_of_again(record, run.plan.plan_id, place)
            outgoing.append(OutgoingRecord(run.target, record.key, record.value, headers))
    if outgoing:
        await run.operations.producer.send_all(outgoing)
    run.there -= passed
    run.published, run.set_aside = run.published + len(meant) - aside, run.set_aside + aside
    for record in chunk.records:
        run.positions[record.topic_partition] = record.committable.next_offset
    for position in chunk.complete:
        run.positions[position.topic_partition] = position.next_offset
    return len(outgoing)


async def _checkpoint(run: Run) -> ReplayRecorded | None:
    """Look for what others said of the job; write how far it is; return the step that stops it.

    What is published after the positions of a checkpoint lies behind its ends of the target, which are asked
    for before.
    """
    if (stopping := await _stopping(run)) is not None:
        return stopping
    ends = await _ends(run)
    if not run.there:  # else the next process has to find them, too
        run.target_positions = ends
    await run.operations.record(run.step(ReplayState.RUNNING))
    run.behind = await _behind(run, ends)
    return None


async def _behind(run: Run, ends: Positions) -> int:
    """Return how many records of the target its reader has not done, where it has positions."""
    if run.plan.is_side_topic:
        return 0
    done = await positions_of(run.kafka, reader_of(run.plan.target))
    return sum(max(0, end - done[each]) for each, end in ends.items() if each in done)


async def _ends(run: Run) -> Positions:
    partitions = await partitions_of(run.kafka, run.target)
    return {each: end for each, (_, end) in (await bounds_of(run.kafka, partitions)).items()}


def _told(topic: str, positions: Mapping[TopicPartition, int]) -> list[ReplayPosition]:
    return [
        ReplayPosition(topic=topic, partition=each.partition, next_offset=offset)
        for each, offset in sorted(positions.items())
    ]
