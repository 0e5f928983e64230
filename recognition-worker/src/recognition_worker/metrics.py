"""Every metric of recognition-worker, declared once.

Labels are bounded: outcomes, stages, reasons; no ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from recognition_worker.domain.identity import ModelId

# From a search in a small gallery to a batch on a busy core.
_STAGE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# From an idle worker to a backlog of days.
_WAITING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64)


class GalleryMetrics(Protocol):
    """What a gallery counts: RecognitionMetrics, or that of one model."""

    @property
    def gallery_templates(self) -> Gauge:
        """Return the templates that a search can find."""
        ...

    @property
    def gallery_people(self) -> Gauge:
        """Return whose they are."""
        ...

    @property
    def gallery_ignored(self) -> Counter:
        """Return the records that were left out."""
        ...


@dataclass(frozen=True, slots=True)
class ModelMetrics:
    """The GalleryMetrics of one model."""

    gallery_templates: Gauge
    gallery_people: Gauge
    gallery_ignored: Counter


class RecognitionMetrics:
    """What the worker counts; make one per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._declare_captures(registry)
        self._declare_waiting(registry)
        self._declare_galleries(registry)
        self._declare_models(registry)

    def _declare_captures(self, registry: CollectorRegistry) -> None:
        # outcome as in MatchDecided. A shift from IDENTIFIED to REVIEW is a camera, a model or a gallery gone
        # bad.
        self.captures = Counter(
            "recognition_captures", "Captures decided, by outcome.", ["outcome"], registry=registry
        )
        # degrees: 90, 180, 270. More than a few: a camera hangs on its head or side; the log says which.
        self.turned_captures = Counter(
            "recognition_turned_captures",
            "Captures whose face was found only when the image was turned clockwise, by how much.",
            ["degrees"],
            registry=registry,
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
        # scope: organisation, site (its people decide), unknown-site (not in the directory: the organisation
        # is searched). Any unknown-site means that the directory is incomplete.
        self.search_scope = Counter(
            "recognition_search_scope",
            "Captures by whom they were compared with.",
            ["scope"],
            registry=registry,
        )
        # Captures at a site that compares with its own people, whose closest match is of another site.
        self.other_site_reviews = Counter(
            "recognition_other_site_reviews",
            "Captures sent to review because the candidate is of another site.",
            registry=registry,
        )
        # Their schema is not in the registry: they do not count, and are tried again. Alert on any.
        self.directory_aside = Gauge(
            "recognition_directory_records_aside",
            "Records of the directory that nobody can read yet.",
            registry=registry,
        )
        # A bug on any.
        self.directory_ignored = Counter(
            "recognition_directory_ignored_records",
            "Records of the directory that could not be read.",
            registry=registry,
        )

    def _declare_waiting(self, registry: CollectorRegistry) -> None:
        # From the acceptance by ingest to the decision: what a person at a kiosk waits for.
        self.waiting_seconds = Histogram(
            "recognition_waiting_seconds",
            "Seconds from a capture's acceptance to its decision.",
            ["kind"],
            buckets=_WAITING_SECONDS,
            registry=registry,
        )
        # kind: live, backlog, enrolment, erasure. What was taken from the log and is not done: how long the
        # oldest record lies in the log. Of live work more than a minute means: too few workers, or an outage.
        self.work_oldest_seconds = Gauge(
            "recognition_work_oldest_seconds",
            "Seconds since the oldest record in hand was written, by kind of work.",
            ["kind"],
            registry=registry,
        )
        # While several kinds wait, the differences show what each gets.
        self.work_done = Counter(
            "recognition_work_done", "Records done, by kind of work.", ["kind"], registry=registry
        )
        # Captures embedded in one call; small batches under load mean that fetching is the bottleneck.
        self.batch_size = Histogram(
            "recognition_batch_size", "Captures per inference batch.", buckets=_BATCH, registry=registry
        )
        # Records of the assigned partitions that are not done.
        self.lag = Gauge(
            "recognition_lag_records", "Records not done, by topic.", ["topic"], registry=registry
        )

    def _declare_galleries(self, registry: CollectorRegistry) -> None:
        # outcome as in EnrolmentDecided.
        self.enrolments = Counter(
            "recognition_enrolments", "Enrolments decided, by outcome.", ["outcome"], registry=registry
        )
        # Templates of this worker's model that can be found by a search, and whose they are.
        self.gallery_templates = Gauge(
            "recognition_gallery_templates", "Templates in the gallery.", registry=registry
        )
        self.gallery_people = Gauge("recognition_gallery_people", "People in the gallery.", registry=registry)
        # reason: other-model while a new model is rolled out; erased: the person's key is gone, as it must.
        # unknown-key: a key-encryption key is not configured; unreadable and mismatch: bugs. Alert on these.
        self.gallery_ignored = Counter(
            "recognition_gallery_ignored_templates",
            "Template records left out of the gallery.",
            ["reason"],
            registry=registry,
        )
        # Erasures of people that this worker completed.
        self.erasures = Counter("recognition_erasures", "People erased.", registry=registry)
        # Keys and templates that were written again after their person's erasure, and erased again. Any: a
        # worker was cut off for long, or one of an earlier version is still running.
        self.erased_again = Counter(
            "recognition_erased_again", "Records that came back after an erasure.", registry=registry
        )

    def _declare_models(self, registry: CollectorRegistry) -> None:
        # While models run side by side: does the other one say the same? Many "no" are worth a `compare`.
        self.shadow_captures = Counter(
            "recognition_shadow_captures",
            "Captures that a model scored without deciding, by whether it agrees with the decision.",
            ["model", "agrees"],
            registry=registry,
        )
        # state: deciding, shadow, canary, loading; refused and failed need an operator, the log says why.
        self.model_state = Gauge(
            "recognition_model_state",
            "1 for the state of each model that this worker has or wants.",
            ["name", "version", "state"],
            registry=registry,
        )
        # By model, those in the shadow too; the gauges without a model are of the deciding one.
        self.model_templates = Gauge(
            "recognition_model_templates",
            "Templates in the gallery of a model.",
            ["name", "version"],
            registry=registry,
        )
        self.model_people = Gauge(
            "recognition_model_people",
            "People in the gallery of a model.",
            ["name", "version"],
            registry=registry,
        )
        # Always 1; the labels say what decides here.
        self.model_info = Gauge(
            "recognition_model_info", "The model in use.", ["name", "version"], registry=registry
        )

    def of_model(self, name: str, version: str) -> ModelMetrics:
        """Return the metrics of a model's gallery."""
        return ModelMetrics(
            self.model_templates.labels(name, version),
            self.model_people.labels(name, version),
            self.gallery_ignored,
        )

    def show_models(self, deciding: ModelId | None, states: Mapping[ModelId, str]) -> None:
        """Show which model does what; the gauges without a model follow the deciding one."""
        self.model_state.clear()
        for model, state in states.items():
            self.model_state.labels(model.name, model.version, state).set(1)
        if deciding is None:
            return
        self.model_info.clear()
        self.model_info.labels(deciding.name, deciding.version).set(1)
        own = self.of_model(deciding.name, deciding.version)
        self.gallery_templates.set_function(lambda: _value(own.gallery_templates))
        self.gallery_people.set_function(lambda: _value(own.gallery_people))


def _value(gauge: Gauge) -> float:
    return next(sample.value for metric in gauge.collect() for sample in metric.samples)
