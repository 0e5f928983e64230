"""Publish again what is missing, from what was stored at the first acceptance: the same event, the same ids.

1. Say that it begins, on `attendance.operations`.
2. Read what was accepted, publish it with headers that name the job, and wait for all in-sync replicas.
3. Say how far it is, after every batch.
4. Say that it is done.
5. Wait until the services have read it, and look once more.

Killed at any point, the next run looks anew: what arrived is on its topic then, and is not published again.
Two runs at once may both publish: every fact counts once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from attendance_ops.log.positions import GROUPS, PROJECTION, positions_of, reader_of
from attendance_ops.log.provenance import MOST_ATTEMPTS, headers_of_repair
from attendance_ops.log.targets import target_of
from attendance_ops.operations import CLOCKS_APART, Operations, step_of
from attendance_ops.reconcile.facts import TOPICS_OF_DECISIONS, TOPICS_OF_FACTS, topics_of
from attendance_ops.reconcile.ledger import Ledger
from attendance_ops.reconcile.read_objects import Objects
from attendance_schemas.acceptance import UnreadableAcceptance
from attendance_schemas.events import ReplayState
from service_kit.errors import ObjectNotFound
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.records import OutgoingRecord, Position

BATCH = 100
CHECKPOINT_SECONDS = 1.0
ASK_AGAIN = timedelta(seconds=0.5)
DETAIL = "reconcile: published again from what was accepted first"
KILLED_AFTER = CLOCKS_APART
"""A run that says nothing for so long, and a step comes every second, is none any more."""
STOPS = frozenset({ReplayState.PAUSED, ReplayState.CANCELLED})
_TO_REPAIR = """
SELECT org, id, max(attempts) FROM finding
WHERE name IN ('missing-event', 'undecided', 'not-shown') GROUP BY org, id
"""


@dataclass(slots=True)
class Repair:
    """A run that publishes again, with counts of what it published and of what it left, and why."""

    operations: Operations
    objects: Objects
    operator: str
    job_id: UUID = field(default_factory=uuid4)
    runner_id: UUID = field(default_factory=uuid4)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    published: int = 0
    gone_round: int = 0
    without_acceptance: int = 0
    stopped_by: str | None = None

    async def record(self, state: ReplayState) -> None:
        """Say where it stands, for the record. Raises TransientFailure."""
        await self.operations.record(
            step_of(
                self.job_id,
                state,
                runner_id=self.runner_id,
                operator=self.operator,
                published_count=self.published,
                set_aside_count=self.gone_round + self.without_acceptance,
                detail=DETAIL,
            )
        )


async def repair_all(
    repair: Repair, ledger: Ledger, *, rate: float, progress: Callable[[int], None] = lambda _count: None
) -> None:
    """Publish again all that a look found and that can be; rate: records a second, at most.

    Raises:
        TransientFailure: Kafka or the object store is away; run the command again.
    """
    await repair.operations.log.codec.prepare(TOPICS_OF_FACTS)
    await _end_killed(repair)
    await repair.record(ReplayState.RUNNING)
    began_at = checked_at = time.monotonic()
    size = max(1, min(BATCH, int(rate)))
    for page in ledger.pages(_TO_REPAIR, size):
        if time.monotonic() - checked_at >= CHECKPOINT_SECONDS:
            await repair.record(ReplayState.RUNNING)
            if await _stopped(repair) is not None:
                return
            checked_at = time.monotonic()
        found = await asyncio.gather(*(_outgoing(repair, *row) for row in page))
        outgoing = [each for each in found if each is not None]
        await repair.operations.producer.send_all(outgoing)
        repair.published += len(outgoing)
        progress(len(page))
        await asyncio.sleep(max(0.0, began_at + repair.published / rate - time.monotonic()))
    await repair.record(ReplayState.DONE)


async def _outgoing(repair: Repair, org: str, raw: bytes, attempts: int) -> OutgoingRecord | None:
    """Return the record to publish; None, and counted, where there is none."""
    if attempts >= MOST_ATTEMPTS:
        repair.gone_round += 1
        return None
    identity = UUID(bytes=raw)
    try:
        event = await repair.objects.event(org, identity)
    except (UnreadableAcceptance, ObjectNotFound):
        repair.without_acceptance += 1
        return None
    log, target = repair.operations.log, target_of(topics_of(type(event).__name__)[0].name)
    headers = headers_of_repair(repair.job_id, f"accepted:{org}:{identity}", attempts)
    return OutgoingRecord(
        log.kafka.topic(target.name), target.key_of(event), log.codec.encode(event, target), headers
    )


async def _end_killed(repair: Repair) -> None:
    """Say of earlier runs that were killed that they have ended; what they published stays."""
    last = {step.job_id: step for step in await repair.operations.replays() if step.detail == DETAIL}
    for step in last.values():
        if step.state is ReplayState.RUNNING and step.recorded_at < repair.began_at - KILLED_AFTER:
            await repair.operations.record(
                step_of(
                    step.job_id,
                    ReplayState.FAILED,
                    runner_id=repair.runner_id,
                    operator=repair.operator,
                    published_count=step.published_count,
                    set_aside_count=step.set_aside_count,
                    detail=DETAIL,
                )
            )


async def _stopped(repair: Repair) -> str | None:
    """Return who paused or cancelled the job; it stops then."""
    steps = await repair.operations.replays(repair.began_at - CLOCKS_APART)
    for step in steps:
        if step.job_id == repair.job_id and step.state in STOPS:
            repair.stopped_by = step.recorded_by
    return repair.stopped_by


async def wait_for_readers(operations: Operations, *, within: timedelta) -> bool:
    """Wait until services have read what was published, and what recognition decided; tell whether they have.

    Raises TransientFailure.
    """
    until = time.monotonic() + within.total_seconds()
    facts = await _ends(operations, [topic.name for topic in TOPICS_OF_FACTS])
    if not await _are_read(operations, facts, until, by_both=True):
        return False
    decisions = await _ends(operations, [topic.name for topic in TOPICS_OF_DECISIONS])
    return await _are_read(operations, decisions, until, by_both=False)


async def _ends(operations: Operations, topics: list[str]) -> list[Position]:
    kafka = operations.log.kafka
    partitions = await partitions_of(kafka, *map(kafka.topic, topics))
    bounds = await bounds_of(kafka, partitions)
    return [Position(*each, end) for each, (first, end) in bounds.items() if end > first]


async def _are_read(operations: Operations, ends: list[Position], until: float, *, by_both: bool) -> bool:
    """Tell whether the projector, and by_both also recognition where it reads, gets so far in time."""
    kafka = operations.log.kafka
    while True:
        left = []
        groups = {group: await positions_of(kafka, group) for group in GROUPS}
        for end in ends:
            reader = reader_of(end.topic.removeprefix(kafka.topic_prefix))
            asked = {PROJECTION, reader} if by_both else {PROJECTION}
            left += [group for group in asked if groups[group].get(end.topic_partition, 0) < end.next_offset]
        if not left:
            return True
        if time.monotonic() > until:
            return False
        await asyncio.sleep(ASK_AGAIN.total_seconds())
