"""Every metric of the change feed and of presence, once."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from attendance_projector.feed.ports import Backlog


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
