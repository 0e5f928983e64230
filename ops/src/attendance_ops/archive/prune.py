"""Snapshots make room: of each partition the newest complete one stays, and older ones for some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attendance_ops.archive.topics import archived_topics
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
from service_kit.archive.writer import snapshots_of
from service_kit.settings import KafkaSettings

KEEP_DAYS = 30


async def prune(kafka: KafkaSettings, archive: Archive, keep: timedelta) -> int:
    """Remove snapshots that were put longer ago than this and that a newer one replaces; return their files.

    Raises:
        TransientFailure: the store is away, or this key may not delete.
    """
    removed = 0
    before = datetime.now(UTC) - keep
    for topic in archived_topics():
        listed = await archive.listed(kafka.topic(topic.name))
        partitions = {(each.topic_id, each.partition) for each in listed if each.snapshot_end is not None}
        for topic_id, partition in sorted(partitions):
            series = Series(
                topic=kafka.topic(topic.name), topic_id=topic_id, cluster_id="", partition=partition
            )
            files = await archive.snapshots(series)
            is_replaced = False
            async for snapshot, last in snapshots_of(archive, series):
                ours = files[snapshot.snapshot_end or 0]
                if is_replaced and all(each.modified_at < before for each in ours):
                    for first in await archive.firsts(snapshot):
                        await archive.remove(snapshot, first)
                        removed += 1
                is_replaced = is_replaced or last.contents.is_last
    return removed
