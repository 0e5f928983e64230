"""Puts the pipelines together that can be evaluated, over the models of the registry."""

import time
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.embedders.embedder_choice import choose, load_embedder
from recognition_worker.adapters.models.packaged_models import ModelFiles, WeightPlaces, prepare_models
from recognition_worker.adapters.vision.eyes import open_eyes
from recognition_worker.adapters.vision.opencv_vision import OpenCvImageDecoder
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.evaluation.adapters.deepface_represent import DeepFaceRepresentEncoder
from recognition_worker.evaluation.encode_faces import FaceEncoder, WorkerEncoder
from recognition_worker.recognition.enrol_person import EnrolPerson
from recognition_worker.recognition.recognise import FaceAnalyser
from recognition_worker.settings import EmbedderChoice


@dataclass(frozen=True, slots=True)
class EvaluatedPipeline:
    """A pipeline with the empty gallery that it enrols into."""

    encoder: FaceEncoder
    gallery: InMemoryGallery
    manifest: ModelManifest


@dataclass(frozen=True, slots=True)
class WorkerPipeline(EvaluatedPipeline):
    """The worker's own; analyser: what its encoder finds faces with."""

    analyser: FaceAnalyser


def worker_pipeline(
    model_cache: Path,
    *,
    manifest: ModelManifest | None = None,
    places: WeightPlaces | None = None,
    embedder: EmbedderChoice = EmbedderChoice.DEEPFACE,
    gate: bool = False,
    mirrored: bool = False,
) -> WorkerPipeline:
    """Load the worker's pipeline, on one core as in production.

    manifest: None for the default model. embedder: by default the reference. gate: with the production
    quality gate. mirrored: embeddings are means with that of the mirrored face.

    Raises:
        ModelRefused: a file, licence or manifest is not what it must be.
    """
    files, gallery = _files_and_gallery(model_cache, manifest, places)
    chosen = choose(embedder)
    loaded = load_embedder(chosen, files)
    analyser = open_eyes(files.yunet_file, chosen).cutting(files.manifest.layout)
    enrol = EnrolPerson(analyser, loaded, gallery, files.manifest, time.perf_counter) if gate else None
    encoder = WorkerEncoder(analyser, loaded, time.perf_counter, gate=enrol, mirrored=mirrored)
    return WorkerPipeline(encoder, gallery, files.manifest, analyser)


def deepface_pipeline(
    model_cache: Path, *, manifest: ModelManifest | None = None, places: WeightPlaces | None = None
) -> EvaluatedPipeline:
    """Load `DeepFace.represent` with the same weights; ModelRefused as above."""
    files, gallery = _files_and_gallery(model_cache, manifest, places)
    encoder = DeepFaceRepresentEncoder(files, OpenCvImageDecoder(), time.perf_counter)
    return EvaluatedPipeline(encoder, gallery, files.manifest)


def _files_and_gallery(
    model_cache: Path, manifest: ModelManifest | None, places: WeightPlaces | None
) -> tuple[ModelFiles, InMemoryGallery]:
    files = prepare_models(model_cache, manifest, places)
    return files, InMemoryGallery(files.manifest.model, files.manifest.dimensions)
