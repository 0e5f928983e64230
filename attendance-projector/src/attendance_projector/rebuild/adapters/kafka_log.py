"""The log as a rebuild reads it: records up to where the live tables are.

Partitions are assigned by the rebuild; what is committed to its group serves lag dashboards only.
"""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

from service_kit.kafka import bounded_reading
from service_kit.kafka.bounded_reading import Chunk, beginnings
from service_kit.kafka.records import TopicPartition
from service_kit.settings import KafkaSettings

__all__ = ["beginnings", "records_until"]

# A rebuild has hours of work behind it: a broker that restarts is waited for.
PATIENCE = timedelta(minutes=10)


def records_until(
    kafka: KafkaSettings,
    group: str,
    positions: Mapping[TopicPartition, int],
    targets: Mapping[TopicPartition, int],
    *,
    max_records: int,
) -> AsyncGenerator[Chunk, None]:
    """Yield chunks from the positions up to the targets. Raises TransientFailure when Kafka is away."""
    return bounded_reading.records_until(
        kafka, positions, targets, group=group, max_records=max_records, patience=PATIENCE
    )
