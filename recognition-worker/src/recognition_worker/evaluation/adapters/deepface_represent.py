"""Encodes photos as `DeepFace.represent` does, crop and all, to measure what its crop costs.

For SFace, the same session as the worker's embedder: DeepFace keeps one client per model, and that
embedder has built it. Only detection, alignment and crop are DeepFace's own (YuNet, align, no expansion;
the largest face). Not for production, and not thread-safe. Nothing is downloaded: DeepFace finds the proven
detector under the name that it looks for.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from recognition_worker.adapters.embedders.deepface_sface_embedder import load_reference
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.domain.identity import ModelId, PersonId
from recognition_worker.errors import ModelRefused, UndecodableImage
from recognition_worker.evaluation.encode_faces import NO_FACE, Encoded
from recognition_worker.recognition.ports import ImageDecoder
from recognition_worker.recognition.recognise import Clock, Stopwatch

# DeepFace: models/face_detection/YuNet.py, version 0.0.103.
_YUNET_FILE_NAME = "face_detection_yunet_2023mar.onnx"


class DeepFaceRepresentEncoder:
    """A FaceEncoder over `DeepFace.represent`. It has no quality gate: it refuses what has no face."""

    def __init__(self, files: ModelFiles, decoder: ImageDecoder, clock: Clock) -> None:
        """Put the detector where DeepFace looks for it.

        Raises:
            ModelRefused: it cannot be written there, or the recognition model is refused.
        """
        target = files.weights_file.parent / _YUNET_FILE_NAME
        try:
            _place(files.yunet_file, target)
        except OSError as error:
            raise ModelRefused(
                f"the face detector cannot be written to {target}: {error}; name a model cache that may be "
                "written to"
            ) from error
        self._embedder = load_reference(files)
        self._decoder = decoder
        self._clock = clock

    @property
    def model(self) -> ModelId:
        """Return the model; the crop is no part of it."""
        return self._embedder.model

    def enrol(self, person_id: PersonId, photos: Sequence[bytes]) -> list[Encoded]:  # noqa: ARG002 - the port
        """Encode the enrolment photos of one person."""
        return self.probe(photos)

    def probe(self, photos: Sequence[bytes]) -> list[Encoded]:
        """Encode captures, one by one as DeepFace does."""
        return [self._encode(photo) for photo in photos]

    def _encode(self, photo: bytes) -> Encoded:
        watch = Stopwatch(self._clock)
        try:
            with watch.stage("decode"):
                pixels = self._decoder.decode(photo).pixels
        except UndecodableImage as error:
            return Encoded(None, (str(error),))
        with watch.stage("represent"):
            unit = self._embedder.represent(pixels)
        if unit is None:
            return Encoded(None, (NO_FACE,), watch.timings_ms)
        return Encoded(unit, timings_ms=watch.timings_ms)


def _place(source: Path, target: Path) -> None:
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return
    part = target.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(target)
