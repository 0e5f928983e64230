"""Whether a replay adds up: what was planned, what the target got, what its readers made of it.

In = handled + dead + unread + set aside, each by the place it came from. The target is read from where it
ended when the job began, so a record that was published twice is seen, and counted once.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from attendance_ops.errors import WrongSelection
from attendance_ops.log.positions import positions_of, reader_of
from attendance_ops.log.provenance import job_of, origin_of
from attendance_ops.log.reading import Progress
from attendance_ops.operations import Operations
from attendance_ops.replay.journal import Job
from attendance_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS
from service_kit.kafka.bounded_reading import bounds_of, partitions_of, records_until
from service_kit.kafka.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Balance:
    """Records of a replay by what became of them; twice: by two runs, of which one was killed or too late."""

    planned: int
    set_aside: int
    published: int
    twice: int
    handled: int
    dead: int
    unread: int

    @property
    def is_right(self) -> bool:
        """Tell whether nothing is missing."""
        return self.planned == self.published + self.set_aside and self.published == (
            self.handled + self.dead + self.unread
        )

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        names = ("planned", "set_aside", "published", "twice", "handled", "dead", "unread")
        return {**{name: getattr(self, name) for name in names}, "balances": self.is_right}


async def verify(operations: Operations, job: Job, progress: Progress = lambda _count: None) -> Balance:
    """Return the balance of a job that has begun.

    Raises:
        WrongSelection: it did not begin.
        TransientFailure: Kafka is away.
        LogLost: the target has lost what was published; ask the tables.
    """
    if job.plan is None and job.last is not None:
        raise WrongSelection(f"{job.job_id} is a repair; `attendance-ops reconcile` says what is right now")
    if job.plan is None or job.last is None:
        raise WrongSelection(f"{job.job_id} did not begin; there is nothing to verify")
    plan, kafka = job.plan, operations.log.kafka
    target = plan.target if plan.is_side_topic else kafka.topic(plan.target)
    positions = {} if plan.is_side_topic else await positions_of(kafka, reader_of(plan.target))
    places: dict[str, bool] = {}
    twice = 0
    async for record in _records(operations, target, job.target_starts, progress):
        if job_of(record.headers) != str(job.job_id):
            continue
        origin = origin_of(record.headers) or str(record)
        twice += origin in places
        is_read = record.offset < positions.get(record.topic_partition, 0)
        places[origin] = places.get(origin, False) or is_read
    dead = await _dead(operations, job, progress) & places.keys()
    read = {place for place, is_read in places.items() if is_read}
    return Balance(
        planned=plan.count,
        set_aside=job.last.set_aside_count,
        published=len(places),
        twice=twice,
        handled=len(read - dead),
        dead=len(dead),
        unread=len(places) - len(read | dead),
    )


async def _dead(operations: Operations, job: Job, progress: Progress) -> set[str]:
    """Return the places of those records of the job that became dead letters."""
    if job.plan is None or job.plan.is_side_topic:
        return set()
    name = job.plan.target
    if not TOPICS[name].dead_letters:
        return set()
    found = set()
    topic = operations.log.kafka.topic(name + DEAD_LETTER_SUFFIX)
    async for record in _records(operations, topic, {}, progress):
        if job_of(record.headers) == str(job.job_id) and (origin := origin_of(record.headers)) is not None:
            found.add(origin)
    return found


async def _records(operations: Operations, topic: str, starts: dict[int, int], progress: Progress) -> Any:
    kafka = operations.log.kafka
    bounds = await bounds_of(kafka, await partitions_of(kafka, topic))
    begin = {each: starts.get(each.partition, first) for each, (first, _) in bounds.items()}
    ends: dict[TopicPartition, int] = {each: end for each, (_, end) in bounds.items()}
    async with aclosing(records_until(kafka, begin, ends)) as chunks:
        async for chunk in chunks:
            for record in chunk.records:
                yield record
            progress(len(chunk.records))
