"""Every metric of recognition-worker, declared once.

Labels are bounded: outcomes, stages, reasons; no ids.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a search in a small gallery to a batch on a busy core.
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# From an idle worker to a backlog of days.
_WAITING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64)


class RecognitionMetrics:
    """What the worker counts; make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # outcome as in MatchDecided. A shift from IDENTIFIED to REVIEW is a camera, a model or a gallery gone
        # bad.
        self.captures = Counter(
            "recognition_captures", "Captures decided, by outcome.", ["outcome"], registry=registry
        )
        # stage: fetch, queue, decode, detect, align, quality, liveness, embed, search, publish; of one
        # capture.
        self.stage_seconds = Histogram(
            "recognition_stage_seconds",
            "Seconds of each stage.",
            ["stage"],
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        # From the acceptance by ingest to the decision: what a person at a kiosk waits for.
        self.waiting_seconds = Histogram(
            "recognition_waiting_seconds",
            "Seconds from a capture's acceptance to its decision.",
            ["topic"],
            buckets=_WAITING_SECONDS,
            registry=registry,
        )
        # Captures embedded in one call; small batches under load mean that fetching is the bottleneck.
        self.batch_size = Histogram(
            "recognition_batch_size", "Captures per inference batch.", buckets=_BATCH, registry=registry
        )
        # outcome as in EnrolmentDecided.
        self.enrolments = Counter(
            "recognition_enrolments", "Enrolments decided, by outcome.", ["outcome"], registry=registry
        )
        # Templates of this worker's model that can be found by a search, and whose they are.
        self.gallery_templates = Gauge(
            "recognition_gallery_templates", "Templates in the gallery.", registry=registry
        )
        self.gallery_people = Gauge("recognition_gallery_people", "People in the gallery.", registry=registry)
        # reason: other-model while a new model is rolled out; unreadable and mismatch are bugs, alert on any.
        self.gallery_ignored = Counter(
            "recognition_gallery_ignored_templates",
            "Template records left out of the gallery.",
            ["reason"],
            registry=registry,
        )
        # Records of the assigned partitions that are not done.
        self.lag = Gauge(
            "recognition_lag_records", "Records not done, by topic.", ["topic"], registry=registry
        )
        # Always 1; the labels say what decides here.
        self.model_info = Gauge(
            "recognition_model_info", "The model in use.", ["name", "version"], registry=registry
        )
