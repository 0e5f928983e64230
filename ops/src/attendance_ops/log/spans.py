"""Where a selection begins and ends in each partition, at this moment, and what is missing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attendance_ops.errors import WrongSelection
from attendance_ops.log.selection import Selection
from service_kit.kafka.bounded_reading import bounds_of, offsets_at, partitions_of
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of a partition, the second exclusive; `kept_from`: the first that the log still has."""

    first: int
    end: int
    kept_from: int

    @property
    def count(self) -> int:
        """Return how many offsets there are; compaction may have taken records."""
        return max(0, self.end - self.first)


async def spans_of(kafka: KafkaSettings, selection: Selection) -> Mapping[TopicPartition, Span]:
    """Return the partitions that have something of a selection.

    Raises:
        WrongSelection: no such partition or offset.
        TransientFailure: Kafka is away, or the topic was not made.
    """
    partitions = [each for each in await partitions_of(kafka, kafka.topic(selection.topic))]
    asked = {selection.partition} if selection.partition is not None else set(selection.offsets)
    if unknown := asked - {each.partition for each in partitions}:
        raise WrongSelection(
            f"{selection.topic} has {len(partitions)} partitions, from 0 on, and no {min(unknown)}"
        )
    if asked:
        partitions = [each for each in partitions if each.partition in asked]
    bounds = await bounds_of(kafka, partitions)
    firsts = {each: bounds[each][0] for each in partitions}
    ends = {each: bounds[each][1] for each in partitions}
    for instant, places in ((selection.since, firsts), (selection.until, ends)):
        if instant is not None:
            found = await offsets_at(kafka, partitions, instant)
            for each in partitions:
                at = found[each]
                places[each] = bounds[each][1] if at is None else at
    for each in partitions:
        if each.partition in selection.offsets:
            first, last = selection.offsets[each.partition]
            firsts[each], ends[each] = max(firsts[each], first), min(ends[each], last + 1)
    spans = {each: Span(firsts[each], ends[each], bounds[each][0]) for each in partitions}
    return {each: span for each, span in spans.items() if span.count}
