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
from uuid import UUID, uuid4

from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.provenance import MOST_ATTEMPTS, attempts_of, headers_of_again, job_of, origin_of
from attendance_ops.operations import CLOCKS_APART, Operations, Place
from attendance_ops.replay.journal import Job, jobs_of, step_of
from attendance_ops.replay.plan import Plan, write_plan
from attendance_schemas.events import ReplayPosition, ReplayRecorded, ReplayState
from service_kit.kafka.bounded_reading import bounds_of, partitions_of, records_until
from service_kit.kafka.records import OutgoingRecord, Record, TopicPartition
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings

# So many are on their way at once.
BATCH = 500
CHECKPOINT_SECONDS = 1.0
OTHERS_STOP_SECONDS = 3 * CHECKPOINT_SECONDS
Positions = dict[TopicPartition, int]


@dataclass(slots=True)
class Run:
    """A replay that goes on in this process. `there`: places whose records the target has already."""

    operations: Operations
    plan: Plan
    operator: str
    runner_id: UUID = field(default_factory=uuid4)
    published: int = 0
    set_aside: int = 0
    positions: Positions = field(default_factory=dict)
    target_positions: Positions = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
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
    rate: float,
    progress: Callable[[int], None] = lambda _count: None,
) -> ReplayRecorded:
    """Run a plan to its end, or to where somebody paused or cancelled it; return the last step.

    rate: records a second, at most.

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
    if (stopped := await _stopped(run)) is not None:
        return stopped
    return await _publish(run, rate, progress)


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
    found = (await identify_topics(run.kafka, [run.source])).get(run.source)
    if found is None or (found.topic_id, found.cluster_id) != (run.plan.topic_id, run.plan.cluster_id):
        raise WrongSelection(f"{run.source} is not the topic that was planned for: it was made again")
    partitions = {each.partition: each for each in await partitions_of(run.kafka, run.source)}
    if unknown := {span.partition for span in run.plan.spans} - partitions.keys():
        raise WrongSelection(f"{run.source} has no partition {min(unknown)}; make a new plan")
    bounds = await bounds_of(run.kafka, list(partitions.values()))
    for span in run.plan.spans:
        _, end = bounds[partitions[span.partition]]
        if span.end > end:
            raise WrongSelection(
                f"partition {span.partition} of {run.source} ends at {end}, and the plan at {span.end}; "
                "make a new plan"
            )


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
            run.there |= {origin for each in ours if (origin := origin_of(each.headers)) is not None}


async def _stopped(run: Run) -> ReplayRecorded | None:
    """Return the step that stops this process, as somebody else paused or cancelled the job."""
    others = [
        each
        for each in await run.operations.replays(run.began_at - CLOCKS_APART)
        if each.job_id == run.plan.plan_id and each.state is not ReplayState.APPROVED
    ]
    last = others[-1] if others else None
    if last is None or last.runner_id == run.runner_id:
        return None
    if last.state is ReplayState.RUNNING:
        raise NotAllowed(f"{last.recorded_by} runs this replay now; this process stops")
    stopped = run.step(last.state, detail=f"by {last.recorded_by}")
    await run.operations.record(stopped)
    return stopped


async def _publish(run: Run, rate: float, progress: Callable[[int], None]) -> ReplayRecorded:
    selection, ends = (
        run.plan.selection(),
        {TopicPartition(run.source, each.partition): each.end for each in run.plan.spans},
    )
    checked_at, began_at, paced = time.monotonic(), time.monotonic(), 0
    at_once = max(1, min(BATCH, int(rate)))  # a second's worth, so that the rate is even
    reading = run.operations.log.whole.records_until(run.positions, ends, max_records=at_once)
    async with aclosing(reading) as chunks:
        async for chunk in chunks:
            if time.monotonic() - checked_at >= CHECKPOINT_SECONDS:
                if (stopped := await _checkpoint(run)) is not None:
                    return stopped
                checked_at = time.monotonic()
            meant = [
                each
                for each in chunk.records
                if selection.takes_all or selection.takes(await run.operations.log.reader.see(each))
            ]
            if run.published + run.set_aside + len(meant) > run.plan.count:
                return await _ended(run, ReplayState.FAILED, "more is selected than the plan counts")
            sent = await _send(run, meant)
            for record in chunk.records:
                run.positions[record.topic_partition] = record.committable.next_offset
            for position in chunk.complete:
                run.positions[position.topic_partition] = position.next_offset
            progress(sent)
            paced += sent
            await asyncio.sleep(max(0.0, began_at + paced / rate - time.monotonic()))
    if (stopped := await _checkpoint(run)) is not None:
        return stopped
    if run.published + run.set_aside < run.plan.count:
        return await _ended(run, ReplayState.FAILED, "less is selected than the plan counts")
    return await _ended(run, ReplayState.DONE)


async def _ended(run: Run, state: ReplayState, detail: str | None = None) -> ReplayRecorded:
    last = run.step(state, detail=detail and f"{detail}: was it made with another OPS_TOKEN, or changed?")
    await run.operations.record(last)
    return last


async def _send(run: Run, meant: list[Record]) -> int:
    """Publish records; return how many are done with, those included that are there or are set aside."""
    outgoing = []
    for record in meant:
        place = str(Place(run.plan.topic, record.partition, record.offset))
        if attempts_of(record.headers) >= MOST_ATTEMPTS:
            run.set_aside += 1
        elif place in run.there:
            run.there.remove(place)
            run.published += 1
        else:
            headers = headers_of_again(record, run.plan.plan_id, place)
            outgoing.append(OutgoingRecord(run.target, record.key, record.value, headers))
    for start in range(0, len(outgoing), BATCH):
        part = outgoing[start : start + BATCH]
        await run.operations.producer.send_all(part)
        run.published += len(part)
    return len(meant)


async def _checkpoint(run: Run) -> ReplayRecorded | None:
    """Look for what others said of the job; write how far it is; return the step that stops it."""
    if (stopped := await _stopped(run)) is not None:
        return stopped
    if not run.there:  # else the next process has to find them, too
        run.target_positions = await _ends(run)
    await run.operations.record(run.step(ReplayState.RUNNING))
    return None


async def _ends(run: Run) -> Positions:
    partitions = await partitions_of(run.kafka, run.target)
    return {each: end for each, (_, end) in (await bounds_of(run.kafka, partitions)).items()}


def _told(topic: str, positions: Mapping[TopicPartition, int]) -> list[ReplayPosition]:
    return [
        ReplayPosition(topic=topic, partition=each.partition, next_offset=offset)
        for each, offset in sorted(positions.items())
    ]
