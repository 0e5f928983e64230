"""The log as a rebuild reads it: records up to where the live tables are, archived ones included.

Partitions are assigned by the rebuild; what is committed to its group serves lag dashboards only.
"""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

from attendance_projector.rebuild.ports import Loss
from service_kit.archive.whole_log import WholeLog
from service_kit.kafka.bounded_reading import Chunk, beginnings
from service_kit.kafka.records import TopicPartition

__all__ = ["beginnings", "losses_of", "records_until"]

# A rebuild has hours of work behind it: a broker that restarts is waited for.
PATIENCE = timedelta(minutes=10)


def records_until(
    whole: WholeLog,
    group: str,
    positions: Mapping[TopicPartition, int],
    targets: Mapping[TopicPartition, int],
    *,
    max_records: int,
) -> AsyncGenerator[Chunk, None]:
    """Yield chunks from the positions up to the targets. Raises TransientFailure when Kafka is away."""
    return whole.records_until(positions, targets, group=group, max_records=max_records, patience=PATIENCE)


async def losses_of(whole: WholeLog, ends: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, Loss]:
    """Return what is gone of each partition before an end. Raises TransientFailure."""
    found = await whole.losses({each: (0, end) for each, end in ends.items()})
    return {
        each: Loss(
            sum(gap.count for gap in gaps), gaps[-1].end, begins_late=len(gaps) == 1 and not gaps[0].first
        )
        for each, gaps in found.items()
    }
