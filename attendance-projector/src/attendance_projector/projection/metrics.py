"""Every metric of projecting, once. No person, device or site is a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

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
        # Facts that the rules refuse, by reason; the table refused_fact says which and why. Alert on a rise.
        self.refused = Counter(
            "attendance_projector_refused", "Refused facts by reason.", ["reason"], registry=registry
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
        # Those of them that had waited in the backlog.
        self.backlog_days = Counter(
            "attendance_projector_backlog_days", "Days computed from the backlog.", registry=registry
        )
        # Days that wait and cannot be computed; stale_span.refused says why.
        self.backlog_refused = Counter(
            "attendance_projector_backlog_refused", "Spans of the backlog set aside.", registry=registry
        )
        # Spans of dates of people: grows with a fact about many, and goes down to 0.
        self.backlog_spans = Gauge(
            "attendance_projector_backlog_spans", "Spans that wait to be computed.", registry=registry
        )
        # What a person at a kiosk waits for: from acceptance by ingest to the row.
        self.delay_seconds = Histogram(
            "attendance_projector_delay_seconds",
            "Seconds from received_at of a capture to its row.",
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
