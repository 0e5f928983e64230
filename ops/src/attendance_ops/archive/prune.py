"""Snapshots make room: of each partition the newest complete one stays, and older ones for some days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from attendance_ops.archive.topics import archived_topics
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
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
            is_replaced = False
            for snapshot in await archive.snapshots(series):
                if is_replaced and snapshot.put_at < before:
                    for first in snapshot.firsts:
                        await archive.remove(snapshot.series, first)
                    removed += len(snapshot.firsts)
                is_replaced = is_replaced or (await archive.end_of_snapshot(snapshot)).is_last
    return removed
