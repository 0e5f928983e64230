"""Every metric of ingest, declared once. Labels are bounded: operations, outcomes, reasons; never an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a small image on idle servers to the timeout of two dependencies in a row.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class IngestMetrics:
    """What ingest counts; make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # operation: capture, enrolment, erasure, record, import, take-back, punch, correction.
        # outcome: accepted, resent, refused, aborted (the sender hung up), unavailable, failed.
        self.requests = Counter(
            "ingest_requests",
            "Requests by operation and outcome.",
            ["operation", "outcome"],
            registry=registry,
        )
        # The slug of the problem that was answered. Alert on refused captures: they are never sent again.
        self.refusals = Counter(
            "ingest_refusals", "Refused requests by reason.", ["reason"], registry=registry
        )
        # From the first byte of the request to the answer, accepted requests only.
        self.acknowledged_seconds = Histogram(
            "ingest_acknowledged_seconds",
            "Seconds until an accepted request was answered.",
            ["operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.image_bytes = Counter(
            "ingest_image_bytes", "Bytes of images received and accepted.", registry=registry
        )
        # Captures by how far the device's clock was believed. A rise of UNTRUSTED: a fleet with dead clocks.
        self.time_trust = Counter(
            "ingest_time_trust", "Captures by time trust.", ["trust"], registry=registry
        )
        # Valkey was away or had lost its state; the capture was accepted without an acknowledged sequence.
        self.unknown_sequences = Counter(
            "ingest_unknown_sequences",
            "Captures accepted without an acknowledged sequence.",
            registry=registry,
        )
        # Sequences were read from the topics again; any after the first start: Valkey was away or lost state.
        self.sequence_rebuilds = Counter(
            "ingest_sequence_rebuilds", "Rebuilds of the device sequences.", registry=registry
        )
        # A record of a followed topic that this version cannot read, left out. Alert on any.
        self.unreadable_records = Counter(
            "ingest_unreadable_records", "Records left out of a view.", ["topic"], registry=registry
        )
        # The last record of a key did not count, so what does was written once more: a record came late, or
        # two processes wrote at the same time. A steady rate: something writes to the topic without ingest.
        self.directory_repairs = Counter(
            "ingest_directory_repairs", "Directory records written once more.", registry=registry
        )
        # How long ago all that the topic held was known. Above 15, requests are answered 503.
        self.directory_seconds_behind = Gauge(
            "ingest_directory_seconds_behind", "Seconds that the directory view is behind.", registry=registry
        )
        # Falls to 0 while ingest starts.
        self.directory_records_left = Gauge(
            "ingest_directory_records_left",
            "Directory records still to read at the start.",
            registry=registry,
        )
        # Their schema is not in the registry: they do not count, and are tried again. Alert on any.
        self.directory_records_aside = Gauge(
            "ingest_directory_records_aside",
            "Directory records that nobody can read yet.",
            registry=registry,
        )
        # 0 while the directory is read at the start, or when a topic was lost.
        self.directory_records = Gauge(
            "ingest_directory_records", "Records in the directory view.", registry=registry
        )
