"""What operators do with dead letters: send them again, mended or not, or put them away with a reason.

A letter is published first and settled then. Killed in between, it still waits, and its second copy is known
by its ids and counts nothing. Of two who send the same letters at once, the one whose decision
comes second in the log stops.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec

from attendance_ops.dead_letters.letters import Letter
from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.provenance import MOST_ATTEMPTS, attempts_of, headers_of_again
from attendance_ops.log.targets import goes_again, target_of
from attendance_ops.operations import CLOCKS_APART, Operations, Place
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import DeadLetterSettled, Event, Settlement, to_fields
from attendance_schemas.topics import DEAD_LETTER_SUFFIX
from service_kit.dead_letters.letters import ORIGINAL_SHA256
from service_kit.errors import LogLost
from service_kit.kafka.bounded_reading import bounds_of, partitions_of, records_until
from service_kit.kafka.records import OutgoingRecord, Record, TopicPartition

BATCH = 100
CANNOT_BE_READ = "cannot be read yet: update what writes or reads it, or edit it"
GOES_ROUND = f"came back {MOST_ATTEMPTS} times: mend what refuses it first"
NEVER_AGAIN = "of a topic whose last record counts: enter it anew, then discard"
SETTLED = "were settled by somebody else meanwhile"
IS_CUT = "is cut, and its topic has the whole no more"


@dataclass(slots=True)
class Redriven:
    """What a run did: how many letters were sent again, and why others were left as they are."""

    job_id: UUID = field(default_factory=uuid4)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    sent: set[Place] = field(default_factory=set)
    left: Counter[str] = field(default_factory=Counter)


async def redrive(
    operations: Operations,
    letters: Sequence[Letter],
    *,
    reason: str,
    operator: str,
    rate: float,
    progress: Callable[[int], None] = lambda _count: None,
) -> Redriven:
    """Publish letters to their topic again, at most `rate` a second, and settle each.

    Raises:
        NotAllowed: none of their topics takes anything again, or somebody else sends these now.
        TransientFailure: Kafka is away; the same call goes on with what still waits.
    """
    if letters and not any(goes_again(letter.seen.topic) for letter in letters):
        target_of(letters[0].seen.topic)  # which says why
    done, pace = Redriven(), _Pace(rate)
    for start in range(0, len(letters), BATCH):
        part = letters[start : start + BATCH]
        settled = await _settled_meanwhile(operations, done)
        batch = []
        for letter in part:
            if letter.place in settled:
                done.left[SETTLED] += 1
            elif (again := await _again(operations, letter, done)) is not None:
                batch.append((letter, again))
        await _send(operations, batch, done, reason, operator)
        progress(len(part))
        await pace.after(len(batch))
    return done


async def _settled_meanwhile(operations: Operations, done: Redriven) -> Set[Place]:
    """Return what others settled since this run began. Raises NotAllowed: they came first with ours."""
    settled = await operations.first_settlements(done.began_at - CLOCKS_APART)
    for place in done.sent & settled.keys():
        if settled[place].job_id != done.job_id:
            raise NotAllowed(
                f"{settled[place].recorded_by} sends these letters now; "
                f"this process stops after {len(done.sent)}"
            )
    return settled.keys() - done.sent


async def edit(
    operations: Operations, letter: Letter, changes: Mapping[str, str], *, reason: str, operator: str
) -> Event:
    """Publish a letter with some of its fields changed, and settle it; return the event that was published.

    Raises:
        WrongSelection: it has no such field, or the value does not fit the schema.
        NotAllowed: nothing is published again to such a topic.
        TransientFailure: Kafka is away.
    """
    target = target_of(letter.seen.topic)
    whole = await _whole(operations, letter)
    if whole is None or whole.value is None:
        raise WrongSelection(f"{letter.place} {IS_CUT}")
    try:
        before = await operations.log.codec.decode(whole.value)
    except UndecodableRecord as error:
        raise WrongSelection(f"{letter.place} cannot be edited, as it cannot be read: {error}") from error
    after = changed(before, changes)
    await operations.log.codec.prepare([target])
    job_id = uuid4()
    record = OutgoingRecord(
        operations.log.kafka.topic(target.name),
        target.key_of(after),
        operations.log.codec.encode(after, target),
        headers_of_again(whole, job_id, str(letter.place)),
    )
    await operations.producer.send(record)
    await operations.record(_settled(letter, Settlement.REDRIVEN, reason, operator, job_id, edited=True))
    return after


async def discard(operations: Operations, letters: Sequence[Letter], *, reason: str, operator: str) -> None:
    """Put letters away: they stay in the topic, and count as waiting no more.

    Raises:
        NotAllowed: there is no reason.
        TransientFailure: Kafka is away.
    """
    if not reason.strip():
        raise NotAllowed("nothing is discarded without a reason; say --reason")
    for start in range(0, len(letters), BATCH):
        part = letters[start : start + BATCH]
        await operations.record(*(_settled(each, Settlement.DISCARDED, reason, operator) for each in part))


def changed(event: Event, changes: Mapping[str, str]) -> Event:
    """Return an event with other values in some fields (`image.key=…`), as its schema reads them.

    Raises:
        WrongSelection: there is no such field, or the value does not fit.
    """
    fields: dict[str, Any] = msgspec.to_builtins(to_fields(event))
    for path, text in changes.items():
        *within, last = path.split(".")
        part: Any = fields
        for name in within:
            part = part.get(name) if isinstance(part, dict) else None
        if not isinstance(part, dict) or last not in part:
            raise WrongSelection(f"{type(event).__name__} has no field {path}; it has {', '.join(fields)}")
        part[last] = None if text == "null" else text
    try:
        return msgspec.convert(fields, type(event), strict=False)
    except msgspec.ValidationError as error:
        raise WrongSelection(
            f"the changed {type(event).__name__} does not fit its schema: {error}"
        ) from error


async def _again(operations: Operations, letter: Letter, done: Redriven) -> OutgoingRecord | None:
    """Return what is published for a letter, or note why it stays."""
    if not goes_again(letter.seen.topic):
        done.left[NEVER_AGAIN] += 1
        return None
    target = target_of(letter.seen.topic)
    record = letter.seen.record
    if attempts_of(record.headers) >= MOST_ATTEMPTS:
        done.left[GOES_ROUND] += 1
        return None
    whole = await _whole(operations, letter)
    if whole is None:
        done.left[IS_CUT] += 1
        return None
    try:
        await operations.log.codec.decode(whole.value)
    except UndecodableRecord:
        done.left[CANNOT_BE_READ] += 1
        return None
    return OutgoingRecord(
        operations.log.kafka.topic(target.name),
        whole.key,
        whole.value,
        headers_of_again(whole, done.job_id, str(letter.place)),
    )


async def _send(
    operations: Operations,
    batch: Sequence[tuple[Letter, OutgoingRecord]],
    done: Redriven,
    reason: str,
    operator: str,
) -> None:
    if not batch:
        return
    await operations.producer.send_all([record for _, record in batch])
    await operations.record(
        *(_settled(letter, Settlement.REDRIVEN, reason, operator, done.job_id) for letter, _ in batch)
    )
    done.sent |= {letter.place for letter, _ in batch}


async def _whole(operations: Operations, letter: Letter) -> Record | None:
    """Return the record, of a cut dead letter that of its origin; None when that is not there any more."""
    record, origin = letter.seen.record, letter.seen.origin
    checksum = dict(record.headers).get(ORIGINAL_SHA256)
    if checksum is None:
        return record
    if origin is None:
        return None
    place, offset = TopicPartition(origin.topic, origin.partition), origin.offset
    if not await _is_in_its_topic(operations, letter, place, offset):
        return None
    try:
        async for chunk in records_until(operations.log.kafka, {place: offset}, {place: offset + 1}):
            for found in chunk.records:
                if found.offset == offset and sha256(found.value or b"").hexdigest().encode() == checksum:
                    return found
    except LogLost:
        return None
    return None


async def _is_in_its_topic(
    operations: Operations, letter: Letter, place: TopicPartition, offset: int
) -> bool:
    """Tell whether the place that a letter names is one of the topic whose dead letter it is."""
    kafka = operations.log.kafka
    topic = kafka.topic(letter.seen.topic.removesuffix(DEAD_LETTER_SUFFIX))
    if place not in await partitions_of(kafka, topic):
        return False
    first, end = (await bounds_of(kafka, [place]))[place]
    return first <= offset < end


def _settled(
    letter: Letter,
    settlement: Settlement,
    reason: str,
    operator: str,
    job_id: UUID | None = None,
    *,
    edited: bool = False,
) -> DeadLetterSettled:
    now = datetime.now(UTC)
    return DeadLetterSettled(
        event_id=uuid4(),
        occurred_at=now,
        recorded_at=now,
        org_id="",
        dead_letter_topic=letter.place.topic,
        dead_letter_partition=letter.place.partition,
        dead_letter_offset=letter.place.offset,
        settlement=settlement,
        reason=reason,
        recorded_by=operator,
        job_id=job_id,
        edited=edited,
    )


class _Pace:
    """Waits so that no more than `rate` a second are done."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._due = time.monotonic()

    async def after(self, count: int) -> None:
        """Wait after so many."""
        self._due = max(self._due, time.monotonic() - 1) + count / self._rate
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
