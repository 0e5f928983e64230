"""Write what a partition has beyond its archive into files, each begun where the one before ends.

1. Where the archive ends is asked of the archive alone: the end of its last file.
2. Read from there, until a file is full or the end is reached. What is not there is noted, with the reason.
3. Put the file, only if there is none of its name. Another runner was faster: go on where its file ends.

Killed anywhere, a runner leaves nothing but whole files, and the next one begins at 1. A log that begins
after the end of the archive has lost records: the next file says so.
"""

from __future__ import annotations

from contextlib import aclosing

from service_kit.archive.draft import Chain, Draft, Limits
from service_kit.archive.manifest import Manifest, Series
from service_kit.archive.store import Archive
from service_kit.errors import LogLost
from service_kit.kafka.bounded_reading import beginnings, bounds_of, records_until
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings

# A snapshot goes on up to where the topic ends meanwhile; one that is always written to has its last pass.
MOST_PASSES = 20


class Writer:
    """Writes files of one series. `written` counts those that were put by this process."""

    def __init__(self, kafka: KafkaSettings, archive: Archive, series: Series, limits: Limits) -> None:
        self._kafka = kafka
        self._archive = archive
        self._series = series
        self._limits = limits
        self._partition = TopicPartition(series.topic, series.partition)
        self.written: list[Manifest] = []

    async def archive_until(self, chain: Chain, end: int) -> Chain:
        """Archive the records of a partition up to an end; return where its archive ends then.

        chain: where it ends now. end: of the log, or before it.

        Raises:
            LogLost: the log ends before the archive does.
            TransientFailure: Kafka or the store is away; the same call goes on.
        """
        while chain.next_offset < end:
            first = await self._first()
            draft = self._draft(chain)
            draft.miss(first, "lost" if chain.next_offset else "before")
            try:
                chain = await self._read(draft, max(end, first))
            except LogLost:
                if await self._first() <= first:
                    raise
        return chain

    async def _read(self, draft: Draft, end: int) -> Chain:
        """Read up to an end, or until another runner wrote a file that ends elsewhere."""
        starts, ends = {self._partition: draft.next_offset}, {self._partition: end}
        async with aclosing(records_until(self._kafka, starts, ends)) as chunks:
            async for chunk in chunks:
                for record in chunk.records:
                    await self._explain(draft, record.offset)
                    draft.add(record)
                    if draft.is_full:
                        chain = await self._close(draft)
                        if chain.next_offset != draft.next_offset:
                            return chain
                        draft = self._draft(chain)
        await self._explain(draft, end)
        return draft.chain if draft.is_empty else await self._close(draft)

    async def _explain(self, draft: Draft, offset: int) -> None:
        """Note why there is nothing between what was read and an offset."""
        if draft.next_offset < offset:
            # What was deleted while it was read is passed over by the client without a word.
            draft.miss(min(await self._first(), offset), "lost")
            draft.miss(offset, "absent")

    async def snapshot(self, chain: Chain) -> Chain:
        """Write the files of a snapshot of a compacted topic that are still missing; return its end.

        chain: where its files end now. What compaction takes while it is read was replaced by a later record:
        so it is complete where the topic ends after everything before was read.

        Raises:
            TransientFailure: Kafka or the store is away; the same call goes on.
        """
        while not chain.is_complete:
            chain = await self._snapshot(self._draft(chain))
        return chain

    async def _snapshot(self, draft: Draft) -> Chain:
        """Go on until it is complete, or another runner wrote a file of it that ends elsewhere."""
        reached = draft.next_offset
        for _ in range(MOST_PASSES):
            first, end = (await bounds_of(self._kafka, [self._partition]))[self._partition]
            reached = max(reached, first)
            if reached >= end:
                break
            starts, ends = {self._partition: reached}, {self._partition: end}
            async with aclosing(records_until(self._kafka, starts, ends)) as chunks:
                async for chunk in chunks:
                    for record in chunk.records:
                        draft.add(record)
                        if draft.is_full:
                            chain = await self._close(draft)
                            if chain.is_complete or chain.next_offset != draft.next_offset:
                                return chain
                            draft = self._draft(chain)
            reached = end
        draft.reach(reached)
        return await self._close(draft, is_last=True)

    async def _close(self, draft: Draft, *, is_last: bool = False) -> Chain:
        manifest, is_ours = await self._archive.put(draft.contents(is_last=is_last), draft.records)
        if is_ours:
            self.written.append(manifest)
        return Chain.after(manifest)

    async def _first(self) -> int:
        return (await beginnings(self._kafka, [self._partition]))[self._partition]

    def _draft(self, chain: Chain) -> Draft:
        return Draft(self._series, chain, self._limits)


async def end_of(archive: Archive, series: Series, log_end: int) -> Chain:
    """Return where a series ends. log_end: of its partition. Raises LogLost when the log ends before it."""
    chain = Chain.after(await archive.last(series, log_end))
    if chain.next_offset > log_end and series.snapshot_end is None:
        raise LogLost(ends_before_its_archive(series, log_end, chain.next_offset))
    return chain


def ends_before_its_archive(series: Series, log_end: int, archived: int) -> str:
    """Say what it means that a log ends before its archive does."""
    return (
        f"{series.topic}[{series.partition}] ends at {log_end}, and its archive at {archived}: Kafka has "
        "lost records that the archive has, and gives their offsets away again. Bring the log back, or make "
        "the topic again; the archive of it stays as it is"
    )
