"""The models of a worker: which one decides, its gallery, and the rollout that the worker follows."""

import asyncio
from collections.abc import Callable
from functools import partial

from attendance_schemas.codec import Codec
from recognition_worker.adapters.models.manifest_files import read_calibration, read_registry
from recognition_worker.adapters.models.object_store_weights import ObjectStoreWeights
from recognition_worker.adapters.models.packaged_models import WeightPlaces
from recognition_worker.adapters.topics.kafka_gallery_view import KafkaGalleryView
from recognition_worker.adapters.topics.kafka_rollouts import KafkaRollouts
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.composition.lane_loader import LaneLoader, load_eyes
from recognition_worker.composition.patient_start import PatientStart
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.rollout import RolloutPlan
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.rollout.keep_lanes import KeepLanes
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.settings import Settings
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

Manifests = tuple[Callable[[ModelId], ModelManifest], ModelId]
"""What finds the manifest in force of a model, and the model that decides by default."""


def read_manifests(settings: Settings) -> Manifests:
    """Read the registry, and the calibration when there is one.

    Raises:
        ModelRefused: the calibration is of a model that is not there, or the default must not decide.
    """
    registry = read_registry(settings.model_registry)
    calibration = read_calibration(settings.calibration) if settings.calibration else None
    manifest_of = partial(registry.in_force, target_fpir=settings.target_fpir, calibration=calibration)
    if calibration is not None:
        manifest_of(calibration.model)
    default = manifest_of(registry.find(settings.model).model)
    default.check_licence()
    default.check_calibrated()
    return manifest_of, default.model


async def start_lanes(
    settings: Settings,
    manifests: Manifests,
    codec: Codec,
    templates: KafkaTemplates,
    metrics: RecognitionMetrics,
    start: PatientStart,
) -> tuple[KeepLanes, KafkaRollouts]:
    """Read the rollout, load the model that decides and its gallery, and go on following both."""
    manifest_of, default = manifests
    eyes = await asyncio.to_thread(_load_eyes, settings)

    async def open_gallery(lane: Lane) -> KafkaGalleryView:
        def kept_elsewhere(model: ModelId) -> bool:
            return model in lanes.status

        of_model = metrics.of_model(lane.model.name, lane.model.version)
        view = templates.view_of({lane.model: lane.gallery}, of_model, kept_elsewhere=kept_elsewhere)
        await start.step(view.start)  # the lanes stop it
        return view

    lanes = KeepLanes(manifest_of, eyes.load, open_gallery, on_change=partial(_show, metrics))
    by_default = RolloutPlan(default)
    rollouts = KafkaRollouts(settings.kafka, codec, lambda plan: lanes.want(plan or by_default))
    await start.part(rollouts)
    start.stack.push_async_callback(lanes.stop)
    await lanes.start(by_default)
    log.info(
        "models loaded",
        model=str(lanes.in_force.deciding),
        embedder=eyes.embedder.value,
        liveness=settings.liveness.value,
        target_fpir=settings.target_fpir,
    )
    return lanes, rollouts


def _load_eyes(settings: Settings) -> LaneLoader:
    places = WeightPlaces(settings.model_registry, ObjectStoreWeights(settings.object_store))
    return load_eyes(settings.model_cache, settings.embedder, places, settings.liveness)


def _show(metrics: RecognitionMetrics, lanes: KeepLanes) -> None:
    metrics.show_models(
        lanes.in_force.deciding if lanes.has_started else None,
        {model: status.state.value for model, status in lanes.status.items()},
    )
