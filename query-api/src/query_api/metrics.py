"""Every metric of query-api, once. Labels are bounded: routes, queries, endings; never a person or an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class QueryApiMetrics:
    """What this service counts; make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Every answer, by route template and status; waiting for a decision counts into the seconds.
        self.requests = Counter(
            "query_api_requests", "Answers by route and status.", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "query_api_request_seconds", "Seconds per answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        # One read of the read model, by the name of its SQL file.
        self.query_seconds = Histogram(
            "query_api_query_seconds", "Seconds per query.", ["query"], buckets=_SECONDS, registry=registry
        )
        # Alert on 1: the primary carries the reads, or nobody does.
        self.replica_away = Gauge(
            "query_api_replica_away", "1 while the replica is not used.", registry=registry
        )
        self.primary_reads = Counter(
            "query_api_primary_reads",
            "Queries answered by the primary instead of the replica.",
            registry=registry,
        )
        # Endings: unavailable (no database answered), timeout (given up), busy (no free connection).
        self.query_failures = Counter(
            "query_api_query_failures", "Queries without an answer.", ["ending"], registry=registry
        )
        self.waiting = Gauge(
            "query_api_waiting_requests", "Requests waiting for a decision.", registry=registry
        )
        # Alert on 0: waiting requests only see decisions through the read model.
        self.following = Gauge(
            "query_api_following_decisions", "1 while the topic of decisions is followed.", registry=registry
        )
        self.decisions = Counter(
            "query_api_decisions_seen", "Decisions seen on their topic.", registry=registry
        )
        # Reasons: undecodable, registry-away, overflow.
        self.skipped_records = Counter(
            "query_api_skipped_records",
            "Decisions on the topic that were left out.",
            ["reason"],
            registry=registry,
        )
        # Sources: cache, read-model.
        self.presence = Counter(
            "query_api_presence_answers", "Answers about presence by source.", ["source"], registry=registry
        )
        # Reasons: away, not-whole (nobody keeps presence, or it is being filled). Alert on a steady rate.
        self.presence_fallbacks = Counter(
            "query_api_presence_fallbacks",
            "Answers about presence without the cache that is configured.",
            ["reason"],
            registry=registry,
        )
