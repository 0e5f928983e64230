"""Loads the models of a worker. Slow (seconds): call it in a thread.

The eyes (decode, detect, crop) are shared; a lane is one model with the gallery of its templates.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from recognition_worker.adapters.embedders.embedder_choice import choose, load_embedder
from recognition_worker.adapters.models.packaged_models import WeightPlaces, detector_file, prepare_models
from recognition_worker.adapters.runtimes.onnxruntime_byte_products import load_byte_products
from recognition_worker.adapters.vision.eyes import LIVENESS_CHECKS, open_eyes
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.recognition.recognise import FaceAnalyser
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.settings import EmbedderChoice, LivenessChoice


@dataclass(frozen=True, slots=True)
class LaneLoader:
    """Loads lanes over one pair of eyes. embedder: what computes SFace, chosen once, never auto."""

    analyser: FaceAnalyser
    embedder: EmbedderChoice
    model_cache: Path
    places: WeightPlaces

    def load(self, manifest: ModelManifest) -> Lane:
        """Prove and load a model. Its gallery is empty.

        Raises:
            ModelRefused: a file, licence or manifest is not what it must be.
        """
        files = prepare_models(self.model_cache, manifest, self.places)
        loaded = load_embedder(self.embedder, files)
        gallery = InMemoryGallery(manifest.model, manifest.dimensions, load_products=load_byte_products)
        return Lane.over(self.analyser, loaded, gallery, manifest, time.perf_counter)


def load_eyes(
    model_cache: Path,
    embedder: EmbedderChoice = EmbedderChoice.AUTO,
    places: WeightPlaces | None = None,
    liveness: LivenessChoice = LivenessChoice.OFF,
) -> LaneLoader:
    """Load the detector and choose the embedder.

    Raises:
        ModelRefused: the detector is not what it must be, or the embedder is not installed.
    """
    chosen = choose(embedder)
    analyser = open_eyes(detector_file(), chosen, LIVENESS_CHECKS[liveness]())
    return LaneLoader(analyser, chosen, model_cache, places or WeightPlaces())
