"""Rounds over all partitions: what has waited long enough goes into the archive, a file at a time.

A runner keeps nothing but when it saw a partition grow: it asks the archive where it ends before anything is
written. So two may run at once, and one that was killed begins with a round over all there is.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from attendance_ops.archive.topics import archived_topics
from attendance_ops.errors import NoArchive
from attendance_ops.settings import Settings
from service_kit.archive.draft import Limits
from service_kit.archive.manifest import Manifest, Series
from service_kit.archive.store import Archive, Snapshot, open_archive
from service_kit.archive.writer import Writer, end_of, ends_before_its_archive
from service_kit.errors import ArchiveBroken, LogLost
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings
from service_kit.side_by_side import side_by_side

WITHIN = timedelta(minutes=5)
SNAPSHOT_EVERY = timedelta(hours=1)
SNAPSHOT_AT_LEAST_EVERY = timedelta(days=1)
# Files are made in memory, each of 16 MiB and its records.
AT_ONCE = 4
LOOKS_AT_ONCE = 12


class Pace(NamedTuple):
    """When something is archived.

    within: no record waits longer. snapshot_every: a compacted topic has at most one snapshot in this time.
    """

    limits: Limits = Limits()
    within: timedelta = WITHIN
    snapshot_every: timedelta = SNAPSHOT_EVERY


class Place(NamedTuple):
    """A partition of a topic that is there now, and where its log ends. series: of its records."""

    series: Series
    is_compacted: bool
    end: int

    @property
    def name(self) -> str:
        """Return it for people."""
        return f"{self.series.topic}[{self.series.partition}]"


@dataclass(slots=True)
class Told:
    """What a round did. problems: by partition, what keeps it from being archived."""

    written: list[Manifest] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Return how many records were archived."""
        return sum(each.contents.count for each in self.written)

    @property
    def lost(self) -> int:
        """Return how many records had expired before they could be."""
        return sum(each.contents.lost for each in self.written)


@asynccontextmanager
async def opened_archive(settings: Settings) -> AsyncIterator[Archive]:
    """Give the archive. Raises NoArchive, or SettingsError."""
    async with open_archive(settings.archive.bucket) as archive:
        if archive is None:
            raise NoArchive("no archive is named; set ARCHIVE_BUCKET, and OBJECT_STORE_* for where it is")
        yield archive


async def places_of(kafka: KafkaSettings) -> list[Place]:
    """Return every partition of the topics that are archived and were made. Raises TransientFailure."""
    kinds = {kafka.topic(topic.name): topic.is_compacted for topic in archived_topics()}
    found = await identify_topics(kafka, kinds)
    partitions = await partitions_of(kafka, *sorted(found)) if found else []
    bounds = await bounds_of(kafka, partitions)
    return [
        Place(
            Series(
                topic=each.topic,
                topic_id=found[each.topic].topic_id,
                cluster_id=found[each.topic].cluster_id,
                partition=each.partition,
            ),
            kinds[each.topic],
            bounds[each][1],
        )
        for each in partitions
    ]


@dataclass(slots=True)
class Seen:
    """What this process saw of a partition: where its archive and its log ended, and since when.

    waits_since, grew_at: by the monotonic clock, seconds. snapshot_at: when its newest snapshot was put.
    """

    archived: int
    end: int
    waits_since: float | None = None
    grew_at: float = 0.0
    snapshot_at: datetime | None = None


def is_due(seen: Seen, place: Place, pace: Pace, now: float, *, everything: bool = False) -> bool:
    """Tell whether a partition is to be archived. now: of the monotonic clock, seconds."""
    if place.end <= seen.archived:
        return False
    if everything:
        return True
    within = pace.within.total_seconds()
    if not place.is_compacted:
        has_waited = seen.waits_since is not None and now - seen.waits_since >= within
        return has_waited or place.end - seen.archived >= pace.limits.records
    if seen.snapshot_at is None:
        return True
    is_quiet = now - seen.grew_at >= within
    age = datetime.now(UTC) - seen.snapshot_at
    return age >= (pace.snapshot_every if is_quiet else SNAPSHOT_AT_LEAST_EVERY)


class Rounds:
    """Archives what is there, round by round; `heard` is told of every file that was written."""

    def __init__(
        self,
        kafka: KafkaSettings,
        archive: Archive,
        pace: Pace,
        heard: Callable[[Manifest], None] = lambda _manifest: None,
    ) -> None:
        self._kafka = kafka
        self._archive = archive
        self._pace = pace
        self._heard = heard
        self._seen: dict[Series, Seen] = {}

    async def round(self, *, everything: bool = False) -> Told:
        """Archive what is due; everything: also what has not waited long enough.

        Raises:
            TransientFailure: Kafka or the store is away; the next round goes on.
        """
        told = Told()
        places = await places_of(self._kafka)
        await side_by_side(lambda each: self._look(each, told), places, at_once=LOOKS_AT_ONCE)
        now = time.monotonic()
        due = [
            each
            for each in places
            if each.name not in told.problems
            and is_due(self._seen[each.series], each, self._pace, now, everything=everything)
        ]
        # Two runners seldom read the same at the same time then.
        random.shuffle(due)
        await side_by_side(lambda each: self._archive_one(each, told), due, at_once=AT_ONCE)
        return told

    async def _look(self, place: Place, told: Told) -> None:
        """Note where a partition and its archive end; a new one is due at once."""
        now = time.monotonic()
        seen = self._seen.get(place.series)
        if seen is None:
            try:
                self._seen[place.series] = await self._first_look(place)
            except (LogLost, ArchiveBroken) as error:
                told.problems[place.name] = str(error)
            return
        if place.end < seen.archived:
            told.problems[place.name] = ends_before_its_archive(place.series, place.end, seen.archived)
        if place.end > seen.end:
            seen.end, seen.grew_at = place.end, now
        if place.end > seen.archived and seen.waits_since is None:
            seen.waits_since = now

    async def _first_look(self, place: Place) -> Seen:
        long_ago = time.monotonic() - self._pace.within.total_seconds()
        if not place.is_compacted:
            chain = await end_of(self._archive, place.series, place.end)
            return Seen(chain.next_offset, place.end, long_ago, long_ago)
        complete, at = await newest_of(self._archive, await self._archive.snapshots(place.series))
        if complete > place.end:
            raise LogLost(ends_before_its_archive(place.series, place.end, complete))
        return Seen(complete, place.end, long_ago, long_ago, at)

    async def _archive_one(self, place: Place, told: Told) -> None:
        seen, series = self._seen[place.series], place.series
        if place.is_compacted:
            series = series.model_copy(update={"snapshot_end": place.end})
        writer = Writer(self._kafka, self._archive, series, self._pace.limits)
        try:
            chain = await end_of(self._archive, series, place.end)
            if place.is_compacted:
                chain = await writer.snapshot(chain)
                seen.snapshot_at = datetime.now(UTC)
            else:
                chain = await writer.archive_until(chain, place.end)
            seen.archived, seen.waits_since = chain.next_offset, None
        except (LogLost, ArchiveBroken) as error:
            # Of this partition alone: the others go on.
            told.problems[place.name] = str(error)
        finally:
            told.written += writer.written
            for each in writer.written:
                self._heard(each)


async def newest_of(archive: Archive, snapshots: Sequence[Snapshot]) -> tuple[int, datetime | None]:
    """Return up to where the newest complete one of some snapshots goes, and when it was put; 0, None."""
    for each in snapshots:
        end = await archive.end_of_snapshot(each)
        if end.is_last:
            return end.next_offset, each.put_at
    return 0, None
