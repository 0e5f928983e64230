"""Where a selection begins and ends in each partition, at this moment, and what is missing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attendance_ops.errors import WrongSelection
from attendance_ops.log.selection import Selection
from service_kit.archive.whole_log import WholeLog
from service_kit.kafka.bounded_reading import partitions_of
from service_kit.kafka.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of a partition, the second exclusive; `kept_from`: the first that there still is."""

    first: int
    end: int
    kept_from: int

    @property
    def count(self) -> int:
        """Return how many offsets there are; compaction may have taken records."""
        return max(0, self.end - self.first)


async def spans_of(whole: WholeLog, selection: Selection) -> Mapping[TopicPartition, Span]:
    """Return the partitions that have something of a selection.

    Raises:
        WrongSelection: no such partition or offset.
        TransientFailure: Kafka or the archive is away, or the topic was not made.
    """
    partitions = await partitions_of(whole.kafka, whole.kafka.topic(selection.topic))
    asked = {selection.partition} if selection.partition is not None else set(selection.offsets)
    if unknown := asked - {each.partition for each in partitions}:
        raise WrongSelection(
            f"{selection.topic} has {len(partitions)} partitions, from 0 on, and no {min(unknown)}"
        )
    if asked:
        partitions = [each for each in partitions if each.partition in asked]
    bounds = await whole.bounds_of(partitions)
    firsts = {each: bounds[each].first for each in partitions}
    ends = {each: bounds[each].end for each in partitions}
    for instant, places in ((selection.since, firsts), (selection.until, ends)):
        if instant is not None:
            found = await whole.offsets_at(partitions, instant)
            for each in partitions:
                at = found[each]
                places[each] = bounds[each].end if at is None else at
    for each in partitions:
        if each.partition in selection.offsets:
            first, last = selection.offsets[each.partition]
            firsts[each], ends[each] = max(firsts[each], first), min(ends[each], last + 1)
    spans = {each: Span(firsts[each], ends[each], bounds[each].first) for each in partitions}
    return {each: span for each, span in spans.items() if span.count}
