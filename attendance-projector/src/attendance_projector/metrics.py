"""Every metric of the projector, once. No person, device or site is a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from attendance_projector.feed.outbox_rows import Backlog

# From one record to the recomputation of a whole site.
_BATCH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# From a kiosk that shows the result at once to one that was offline for a week.
_DELAY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0, 604800.0)


class ProjectorMetrics:
    """What the projector counts; lag, retries and dead letters are counted by the delivery loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Events by type; outcome applied, or duplicate: seen before or superseded (then type is "any").
        self.events = Counter(
            "attendance_projector_events", "Events by ending.", ["type", "outcome"], registry=registry
        )
        # One transaction with decoding.
        self.batch_seconds = Histogram(
            "attendance_projector_batch_seconds",
            "Seconds per batch.",
            buckets=_BATCH_SECONDS,
            registry=registry,
        )
        # Days computed; those that came out as they were are counted, too.
        self.days = Counter("attendance_projector_days", "Attendance days computed.", registry=registry)
        # What a person at a kiosk waits for: from acceptance by ingest to the row.
        self.delay_seconds = Histogram(
            "attendance_projector_delay_seconds",
            "Seconds from received_at of a capture to its row.",
            buckets=_DELAY_SECONDS,
            registry=registry,
        )


class OutboxMetrics:
    """What the relay of the outbox counts; gauges are 0 where another projector is the relay."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Alert when the sum over all projectors is 0: nobody publishes.
        self.relaying = Gauge(
            "attendance_projector_relaying", "1 while this projector publishes the outbox.", registry=registry
        )
        # Counted to 100,000.
        self.size = Gauge(
            "attendance_projector_outbox_rows", "Events waiting to be published.", registry=registry
        )
        # Alert on more than a minute: integrations and presence fall behind.
        self.oldest_seconds = Gauge(
            "attendance_projector_outbox_oldest_seconds",
            "Age of the oldest event waiting to be published.",
            registry=registry,
        )
        self.published = Counter(
            "attendance_projector_published",
            "Events published from the outbox, repetitions included.",
            registry=registry,
        )
        # Alert on any: a bug, and the row stays.
        self.refused = Counter(
            "attendance_projector_outbox_refused", "Events that can never be published.", registry=registry
        )

    def observe(self, backlog: Backlog) -> None:
        """Show what waits; this projector is the relay."""
        self.relaying.set(1)
        self.size.set(backlog.size)
        self.oldest_seconds.set(backlog.oldest.total_seconds())

    def stand_by(self) -> None:
        """Show nothing: another projector is the relay, or nobody can be."""
        for gauge in (self.relaying, self.size, self.oldest_seconds):
            gauge.set(0)


class PresenceMetrics:
    """What the keeper of presence counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Alert when the sum over all projectors is 0: query-api asks the database.
        self.keeping = Gauge(
            "attendance_projector_keeping_presence",
            "1 while this projector keeps presence in the cache.",
            registry=registry,
        )
        # At the start of a keeper, after an outage, and when the cache was emptied.
        self.fills = Counter(
            "attendance_projector_presence_fills",
            "Fills of the cache from the read model.",
            registry=registry,
        )
