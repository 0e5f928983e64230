"""What a replay would publish, and where: counted before anything is done, and written to a file.

A plan names offsets, not times: what it selects is the same whenever it runs. It also names the topic's
id, so that it cannot run on another topic of the same name. It is a file that anybody may edit: what is read
from one is checked, and `run` publishes no more than it counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.provenance import MOST_ATTEMPTS, attempts_of
from attendance_ops.log.reading import Log, Progress
from attendance_ops.log.selection import Selection, check_topic, is_of_contract
from attendance_ops.log.spans import Span
from attendance_ops.log.targets import target_of
from attendance_schemas.topics import DEAD_LETTER_SUFFIX
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity, identify_topics

FORMAT = 1
NEEDS_TWO_ABOVE = 10_000
MOST_BARS = 24


Natural = Annotated[int, Meta(ge=0)]
# What has no year of four digits is no time of a record.
FIRST_YEAR, LAST_YEAR = 1970, 9000


class PlannedSpan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Offsets of a partition, the second exclusive."""

    partition: Natural
    first: Natural
    end: Natural


class Bar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records that were written within a part of the span of time."""

    since: Annotated[datetime, Meta(tz=True)]
    count: Natural


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replay: which records, how many, to which topic.

    topic, target: without prefix, but a side topic has its full name. offsets: of each record by partition,
    up to 10,000, for `attendance-projector effect`. warnings: for people.
    """

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT
    plan_id: UUID
    made_at: Annotated[datetime, Meta(tz=True)]
    made_by: str
    topic: str
    topic_id: UUID
    cluster_id: str
    target: str
    is_side_topic: bool
    spans: tuple[PlannedSpan, ...]
    offsets: dict[str, tuple[Natural, ...]] = {}
    key: str | None = None
    event: str | None = None
    where: dict[str, str] = {}
    headers: dict[str, str] = {}
    reason: str | None = None
    count: Annotated[int, Meta(ge=1)]
    looked_at: Natural
    bytes: Natural
    first_at: Annotated[datetime, Meta(tz=True)]
    last_at: Annotated[datetime, Meta(tz=True)]
    senders: Natural
    histogram: tuple[Bar, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def needs_two(self) -> bool:
        """Tell whether a second person has to approve it."""
        return self.count > NEEDS_TWO_ABOVE

    def selection(self) -> Selection:
        """Return which records of the spans are meant."""
        return Selection(
            self.topic,
            key=self.key,
            event=self.event,
            reason=self.reason,
            where=self.where,
            headers=self.headers,
        )

    def digest(self) -> str:
        """Return what identifies the content of the plan."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


async def make_plan(
    log: Log,
    selection: Selection,
    spans: Mapping[TopicPartition, Span],
    *,
    to: str | None,
    operator: str,
    progress: Progress = lambda _count: None,
) -> Plan:
    """Read what a selection takes and describe it; nothing is published.

    spans: where the selection begins and ends now. to: full name of a side topic, which must be there; None:
    where records of this topic go again.

    Raises:
        WrongSelection: nothing is selected, or the side topic is not there or is one of the contract.
        NotAllowed: nothing of this topic is published again.
        TransientFailure: Kafka is away.
    """
    target, identities = await _target(log, selection.topic, to)
    count = looked_at = size = looping = unreadable = 0
    times: list[datetime] = []
    senders: set[bytes | None] = set()
    offsets: dict[str, list[int]] = {}

    def looked(more: int) -> None:
        nonlocal looked_at
        looked_at += more
        progress(more)

    async with aclosing(log.read_records(selection, spans, looked)) as reading:
        async for records in reading:
            for record in records:
                count, size = count + 1, size + len(record.value or b"")
                times.append(record.timestamp)
                senders.add(record.key)
                goes_round = attempts_of(record.headers) >= MOST_ATTEMPTS
                looping += goes_round
                if count <= NEEDS_TWO_ABOVE and not goes_round:
                    offsets.setdefault(str(record.partition), []).append(record.offset)
                unreadable += not await log.reader.reads(record)
    if not count:
        raise WrongSelection("nothing is selected; widen --from, --to or the conditions")
    warnings = list(_warnings(looping=looping, unreadable=unreadable))
    warnings += [
        f"partition {each.partition} begins at {span.kept_from} only: what was before has expired"
        for each, span in spans.items()
        if span.first == span.kept_from > 0 and selection.since is not None
    ]
    losses = await log.whole.losses({each: (span.first, span.end) for each, span in spans.items()})
    warnings += [
        f"partition {each.partition} has nothing from {gap.first} to {gap.end - 1}: that expired before it "
        "was archived"
        for each, gaps in sorted(losses.items())
        for gap in gaps
    ]
    identity = identities[log.kafka.topic(selection.topic)]
    return Plan(
        plan_id=uuid4(),
        made_at=datetime.now(UTC),
        made_by=operator,
        topic=selection.topic,
        topic_id=identity.topic_id,
        cluster_id=identity.cluster_id,
        target=target,
        is_side_topic=to is not None,
        spans=tuple(
            PlannedSpan(partition=each.partition, first=span.first, end=span.end)
            for each, span in sorted(spans.items())
        ),
        offsets={} if count > NEEDS_TWO_ABOVE else {each: tuple(found) for each, found in offsets.items()},
        key=selection.key,
        event=selection.event,
        reason=selection.reason,
        where=dict(selection.where),
        headers=dict(selection.headers),
        count=count,
        looked_at=looked_at,
        bytes=size,
        first_at=min(times),
        last_at=max(times),
        senders=len(senders),
        histogram=_histogram(times),
        warnings=tuple(warnings),
    )


def read_plan(content: bytes) -> Plan:
    """Read a plan from its file.

    Raises:
        WrongSelection: it is none, or says what no plan says.
        NotAllowed: nothing of its topic is published again.
    """
    try:
        plan = decode_plan(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WrongSelection(f"the file is no plan of this version: {error}; make it anew") from error
    if (wrong := _contradiction(plan)) is not None:
        raise WrongSelection(f"the file was changed: {wrong}; make the plan anew")
    return plan


def decode_plan(content: bytes) -> Plan:
    """Read a plan that a replay recorded, without checking it anew. Raises msgspec.MsgspecError."""
    return msgspec.json.decode(content, type=Plan)


def _contradiction(plan: Plan) -> str | None:
    """Return what of a file no plan ever says."""
    instants = (plan.made_at, plan.first_at, plan.last_at, *(bar.since for bar in plan.histogram))
    if not all(FIRST_YEAR <= each.year <= LAST_YEAR for each in instants):
        return "a time is out of range"
    if sum(bar.count for bar in plan.histogram) != plan.count or plan.looked_at < plan.count:
        return f"its figures do not add up to {plan.count:,} records"
    if len({span.partition for span in plan.spans}) != len(plan.spans) or not plan.spans:
        return "it does not name each partition once"
    if any(span.first >= span.end for span in plan.spans):
        return "a span of offsets does not begin before its end"
    if plan.is_side_topic:
        return "a side topic cannot be one of ours" if is_of_contract(plan.target) else None
    target = _usual_target(plan.topic)
    return None if plan.target == target else f"{plan.topic} goes to {target}, not to {plan.target}"


def write_plan(plan: Plan) -> bytes:
    """Return a plan as its file has it, for people to read."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"


async def _target(log: Log, topic: str, to: str | None) -> tuple[str, Mapping[str, TopicIdentity]]:
    kafka = log.kafka
    target = _usual_target(topic) if to is None else to
    names = [kafka.topic(topic), target if to is not None else kafka.topic(target)]
    identities = await identify_topics(kafka, names)
    if to is not None:
        if is_of_contract(to.removeprefix(kafka.topic_prefix)):
            raise WrongSelection(f"{to} is a topic of the contract; a side topic has a name of its own")
        if to not in identities:
            raise WrongSelection(f"there is no topic {to}; create it first, such as replay-{topic}")
    return target, identities


def _usual_target(topic: str) -> str:
    target = target_of(check_topic(topic)).name
    if topic.endswith(DEAD_LETTER_SUFFIX):
        raise NotAllowed(
            "dead letters are sent again by `attendance-ops dlq redrive`, which remembers what became of "
            "each; to read them elsewhere, name a side topic: --to-topic"
        )
    return target


def _warnings(*, looping: int, unreadable: int) -> list[str]:
    told = []
    if looping:
        told.append(f"{looping} were published again {MOST_ATTEMPTS} times already: they will be set aside")
    if unreadable:
        told.append(f"{unreadable} cannot be read now: their readers will make dead letters of them")
    return told


def _histogram(times: list[datetime]) -> tuple[Bar, ...]:
    first, last = min(times), max(times)
    # Bars are told to the second, so none is shorter.
    bars = min(MOST_BARS, max(1, int((last - first).total_seconds())))
    width = (last - first) / bars
    counts = Counter(min(int((at - first) / width), bars - 1) if width else 0 for at in times)
    return tuple(Bar(since=first + width * number, count=counts[number]) for number in range(max(counts) + 1))
