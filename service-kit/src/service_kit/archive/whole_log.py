"""Read a topic from its first archived record to its end as one: what Kafka no longer has, the archive has.

It answers what `service_kit.kafka.bounded_reading` answers, and is the same without an archive. Recorded gaps
are passed over, as those of compaction are; `losses` tells them. An archive that does not reach the log's
beginning is an error: nobody has recorded what is missing in between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from service_kit.archive.container import milliseconds_of
from service_kit.archive.manifest import Gap, Manifest, Series
from service_kit.archive.store import Archive
from service_kit.errors import LogLost
from service_kit.kafka import bounded_reading
from service_kit.kafka.bounded_reading import PATIENCE, Chunk
from service_kit.kafka.records import Position, Record, TopicPartition
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings

AT_ONCE = 500


class Bounds(NamedTuple):
    """Of a partition: the first offset that the archive or Kafka has, Kafka's first, and the end."""

    first: int
    kept_from: int
    end: int


class WholeLog:
    """The log of Kafka and of its archive; without an archive Kafka's alone.

    Raises, all methods:
        TransientFailure: Kafka or the store of the archive is away.
        ArchiveBroken: a file of the archive is missing or not what was put there.
    """

    def __init__(self, kafka: KafkaSettings, archive: Archive | None = None) -> None:
        self.kafka = kafka
        self._archive = archive

    async def bounds_of(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, Bounds]:
        """Return where each partition begins and ends."""
        found = await bounded_reading.bounds_of(self.kafka, partitions)
        begins = {each: first for each, (first, _) in found.items()}
        for each, series in (await self._archived(begins)).items():
            manifest = await self._first_file(series)
            if manifest is not None:
                begins[each] = min(begins[each], _begins_at(manifest))
        return {each: Bounds(begins[each], first, end) for each, (first, end) in found.items()}

    async def offsets_at(
        self, partitions: Collection[TopicPartition], instant: datetime
    ) -> Mapping[TopicPartition, int | None]:
        """Return the first offset of each partition that was written then or later; None: there is none."""
        found = dict(await bounded_reading.offsets_at(self.kafka, partitions, instant))
        if self._archive is None or not partitions:
            return found
        firsts = await bounded_reading.beginnings(self.kafka, partitions)
        # Where Kafka's answer is its first record, there may be earlier ones in the archive.
        asked = {each: first for each, first in firsts.items() if found[each] in (None, first)}
        for each, series in (await self._archived(asked)).items():
            offset = await self._offset_at(series, milliseconds_of(instant), asked[each])
            found[each] = found[each] if offset is None else offset
        return found

    async def losses(
        self, spans: Mapping[TopicPartition, tuple[int, int]]
    ) -> Mapping[TopicPartition, list[Gap]]:
        """Return what neither Kafka nor the archive has of these offsets (the second exclusive), in order.

        What compaction took is not missing.
        """
        firsts = dict(await bounded_reading.beginnings(self.kafka, list(spans))) if spans else {}
        lost: dict[TopicPartition, list[Gap]] = {}
        series = await self._archived(firsts)
        for each, (start, end) in spans.items():
            until = min(firsts[each], end)
            gaps = await self._gaps(series[each], start, until) if each in series else None
            found = [Gap(first=0, end=firsts[each], why="lost")] if gaps is None else gaps
            clipped = [_clipped(gap, start, until) for gap in found if gap.why != "absent"]
            if left := [gap for gap in clipped if gap is not None]:
                lost[each] = left
        return lost

    async def records_until(
        self,
        positions: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        *,
        group: str | None = None,
        max_records: int | None = None,
        patience: timedelta = PATIENCE,
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the records of these partitions from the positions up to the ends, the archive's first.

        Partitions without a position begin at the first record that there is. As
        `bounded_reading.records_until` otherwise.

        Raises:
            LogLost: the log begins after a position, and the archive does not reach it; or it ends before an
                end.
        """
        reached, told = dict(positions), {each: positions.get(each, 0) for each in ends}
        left = {each: end for each, end in ends.items() if reached.get(each, 0) < end}
        # Kafka may delete more while the archive is read.
        while left and (behind := await self._behind(reached, left)):
            for each, (series, until) in behind.items():
                reading = self._read(series, reached.get(each), told[each], until, max_records or AT_ONCE)
                async with aclosing(reading) as chunks:
                    async for records in chunks:
                        told[each] = records[-1].committable.next_offset
                        yield Chunk(records, [])
                reached[each] = until
                if until == left[each]:
                    del left[each]
                    yield Chunk([], [Position(each.topic, each.partition, until)])
        if not left:
            return
        from_kafka = bounded_reading.records_until(
            self.kafka,
            {each: offset for each, offset in reached.items() if each in left},
            left,
            told={each: told[each] for each in left},
            group=group,
            max_records=max_records,
            patience=patience,
        )
        async with aclosing(from_kafka) as rest:
            async for chunk in rest:
                yield chunk

    async def _behind(
        self, reached: Mapping[TopicPartition, int], left: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, tuple[Series, int]]:
        """Return which partitions go on in the archive, and up to where."""
        if self._archive is None:
            return {}
        firsts = await bounded_reading.beginnings(self.kafka, list(left))
        behind = {each: first for each, first in firsts.items() if reached.get(each, 0) < first}
        return {
            each: (series, min(behind[each], left[each]))
            for each, series in (await self._archived(behind)).items()
            if await self._first_file(series) is not None
        }

    async def _read(
        self, series: Series, position: int | None, told: int, until: int, at_once: int
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the records of the archive from a position up to an offset. Raises LogLost."""
        start = position or 0
        reached = position
        for number, first in enumerate(await self._files(series, start, until)):
            if number == 0 and (position is None or first <= position):
                reached = first
            if reached is not None and first != reached:
                raise LogLost(
                    f"the archive of {series.topic}[{series.partition}] has nothing from {reached} to "
                    f"{first}; verify the archive to know which files are gone"
                )
            manifest = await self._store.manifest(series, first)
            reached = manifest.contents.next_offset
            found = await self._store.records(manifest) if manifest.contents.count else []
            meant = [each for each in found if start <= each.offset < until]
            for begin in range(0, len(meant), at_once):
                part = []
                for record in meant[begin : begin + at_once]:
                    part.append(replace(record, read_from=told))
                    told = record.committable.next_offset
                yield part
        if reached is None or reached < until:
            raise LogLost(
                f"{series.topic}[{series.partition}] is archived up to {reached or 0}, and Kafka begins at "
                f"{until} or later: archive it now, so that what is lost is recorded, then try again"
            )

    async def _files(self, series: Series, start: int, until: int) -> list[int]:
        """Return the files that have something of these offsets."""
        firsts = [each for each in await self._store.firsts(series) if each < until]
        return firsts[max(0, bisect_right(firsts, start) - 1) :]

    async def _gaps(self, series: Series, start: int, until: int) -> list[Gap] | None:
        """Return the gaps of the archive, and what it has not reached; None: it has nothing."""
        if not (files := await self._files(series, start, until)):
            return None
        gaps: list[Gap] = []
        if start < files[0]:
            gaps.append(Gap(first=start, end=files[0], why="before"))
        first, last = [(await self._store.manifest(series, files[at])).contents for at in (0, -1)]
        gaps += first.gaps
        gaps += await self._gaps_between(series, files, first.gone_so_far, last.gone_so_far)
        if last.next_offset < until:
            gaps.append(Gap(first=last.next_offset, end=until, why="lost"))
        return gaps

    async def _gaps_between(self, series: Series, files: list[int], before: int, after: int) -> list[Gap]:
        """Return the gaps of all files but the first; before, after: gone so far with the first and the last.

        Where that does not grow there are none, so few files are asked.
        """
        if before == after or len(files) == 1:
            return []
        middle = len(files) // 2
        contents = (await self._store.manifest(series, files[middle])).contents
        without = contents.gone_so_far - sum(gap.count for gap in contents.gaps if gap.why != "absent")
        return [
            *await self._gaps_between(series, files[:middle], before, without),
            *contents.gaps,
            *await self._gaps_between(series, files[middle:], contents.gone_so_far, after),
        ]

    async def _offset_at(self, series: Series, milliseconds: int, before: int) -> int | None:
        """Return the first offset of the archive that is not earlier than a time, below an offset."""
        firsts = await self._files(series, 0, before)
        low, high = 0, len(firsts)
        while low < high:
            middle = (low + high) // 2
            contents = (await self._store.manifest(series, firsts[middle])).contents
            if contents.latest_ms_so_far < milliseconds:
                low = middle + 1
            else:
                high = middle
        if low == len(firsts):
            return None
        records = await self._store.records(await self._store.manifest(series, firsts[low]))
        later = (each.offset for each in records if milliseconds_of(each.timestamp) >= milliseconds)
        offset = next(later, None)
        return offset if offset is not None and offset < before else None

    async def _first_file(self, series: Series) -> Manifest | None:
        first = await self._store.first(series)
        return None if first is None else await self._store.manifest(series, first)

    async def _archived(self, firsts: Mapping[TopicPartition, int]) -> dict[TopicPartition, Series]:
        """Return the series of those partitions of which Kafka may not have all."""
        later = [each for each, first in firsts.items() if first > 0]
        if self._archive is None or not later:
            return {}
        identities = await identify_topics(self.kafka, {each.topic for each in later})
        return {
            each: Series(
                topic=each.topic,
                topic_id=identities[each.topic].topic_id,
                cluster_id=identities[each.topic].cluster_id,
                partition=each.partition,
            )
            for each in sorted(later)
            if each.topic in identities
        }

    @property
    def _store(self) -> Archive:
        if self._archive is None:
            raise ValueError("there is no archive")
        return self._archive


def _begins_at(manifest: Manifest) -> int:
    """Return the first offset that the archive has; what expired before it began is none."""
    contents = manifest.contents
    leading = contents.gaps[0] if contents.gaps else None
    if leading is not None and (leading.first, leading.why) == (contents.first_offset, "before"):
        return leading.end
    return contents.first_offset


def _clipped(gap: Gap, start: int, until: int) -> Gap | None:
    first, end = max(gap.first, start), min(gap.end, until)
    return Gap(first=first, end=end, why=gap.why) if first < end else None
