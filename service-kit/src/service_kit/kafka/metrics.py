"""Every metric of delivery, once. Labels are bounded: topics, partitions, dependencies, reasons."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service_kit.kafka.records import TopicPartition

# From a batch of cached work to a slow dependency.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class DeliveryMetrics:
    """What the delivery loop and its consumers count; make one per registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        # Records by how they ended: handled, dead-lettered. A record that is tried again has not ended.
        self.records = Counter(
            "delivery_records", "Records by outcome.", ["topic", "outcome"], registry=registry
        )
        # One handling: a batch, or a single record.
        self.handling_seconds = Histogram(
            "delivery_handling_seconds",
            "Seconds per call of the handler.",
            buckets=_SECONDS,
            registry=registry,
        )
        # Records given to one call of the handler.
        self.batch_records = Histogram(
            "delivery_batch_records", "Records per call of the handler.", buckets=_RECORDS, registry=registry
        )
        # End of the partition minus the committed position; alert on it together with progress.
        self.lag = Gauge(
            "delivery_lag_records", "Records not yet done.", ["topic", "partition"], registry=registry
        )
        # A steady rate here is an outage of the named dependency.
        self.retries = Counter(
            "delivery_retries",
            "Attempts that ended in a transient failure.",
            ["dependency"],
            registry=registry,
        )
        # Alert on any.
        self.dead_letters = Counter(
            "delivery_dead_letters",
            "Records moved to the dead letters.",
            ["topic", "reason"],
            registry=registry,
        )
        # Partitions whose work waits for a dependency.
        self.paused = Gauge(
            "delivery_paused_partitions", "Partitions waiting for another try.", registry=registry
        )
        self._lag_of: set[TopicPartition] = set()

    def observe(self, lag: Mapping[TopicPartition, int], *, waiting: int) -> None:
        """Set the gauges; partitions that are no longer assigned disappear."""
        self.paused.set(waiting)
        for topic, partition in self._lag_of - lag.keys():
            self.lag.remove(topic, str(partition))
        for (topic, partition), records in lag.items():
            self.lag.labels(topic, str(partition)).set(records)
        self._lag_of = set(lag)
