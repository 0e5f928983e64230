"""Finds the landmarks of a tilted head as exactly as those of an upright one, by turning the image.

A detector that was trained on mostly upright heads reports a tilted one half upright: at a tilt of 30
degrees the crop is still some 10 degrees off, and most of such captures were missed. So where the landmarks
say that the head is tilted, its surroundings are turned by as much and looked at again, until both agree;
and a face that the detector is unsure about is looked at turned to either side. Upright and clear faces,
nearly all, cost nothing more. Measured: docs/recognition/accuracy.md.
"""

from dataclasses import replace

import numpy as np

from recognition_worker.domain.alignment import DegenerateLandmarks, Similarity, fit_similarity
from recognition_worker.domain.face import DetectedFace, Pixels
from recognition_worker.recognition.ports import FaceCropper, FaceDetector

# Press photos that were made upright measure 0.7 +- 2.2 degrees.
_TILTED_DEGREES = 4.0
_SETTLED_DEGREES = 2.0
_MOST_LOOKS = 3
# YuNet is as sure as 0.90 of 98 of 100 faces on press photos.
SURE = 0.9
SURER_BY = 0.02
_TURNS = (-30.0, 30.0)
# The patch is twice the face, which then is about as large as in a portrait at 320 pixels.
_PATCH_PX = 192
_FACES_PER_PATCH = 2.0
# The face looked at again must lie where it lay, in sides of its box.
_SAME_PLACE = 0.35


class FaceStraightener:
    """Looks at a face again, turned upright. Safe between threads when its ports are."""

    def __init__(self, detector: FaceDetector, cropper: FaceCropper) -> None:
        self._detector = detector
        self._cropper = cropper

    def straighten(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        """Return the face, seen closely, with the landmarks of the last look; the box stays."""
        try:
            return self._straightened(pixels, face)
        except DegenerateLandmarks:
            return face

    def _straightened(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        if face.confidence < SURE:
            turned = [self._look(pixels, face, degrees) for degrees in _TURNS]
            surer = max((one for one in turned if one), key=lambda one: one.confidence, default=face)
            if surer.confidence > face.confidence + SURER_BY:
                face = surer
        tilt = _tilt(face)
        if abs(tilt) < _TILTED_DEGREES:
            return face
        for _ in range(_MOST_LOOKS):
            found = self._look(pixels, face, tilt)
            if found is None:
                break
            face, before = found, tilt
            tilt = _tilt(face)
            if abs(tilt - before) < _SETTLED_DEGREES:
                break
        return face

    def _look(self, pixels: Pixels, face: DetectedFace, degrees: float) -> DetectedFace | None:
        """Look at the face in a patch that is turned clockwise; None when it is not there."""
        side = max(face.box.width, face.box.height)
        patch = Similarity.around(
            face.box.centre, size=_PATCH_PX, scale=_PATCH_PX / (side * _FACES_PER_PATCH), degrees=degrees
        )
        back = patch.inverse()
        middle = face.landmarks.mean(axis=0)
        turned = self._cropper.crop(pixels, patch, _PATCH_PX)
        seen_closely = (self._detector.refine(turned, seen) for seen in self._detector.detect(turned))
        found = [
            replace(seen, box=face.box, landmarks=back.apply(seen.landmarks).astype(np.float32))
            for seen in seen_closely
        ]
        near = [
            seen
            for seen in found
            if float(np.hypot(*(seen.landmarks.mean(axis=0) - middle))) < _SAME_PLACE * side
        ]
        return max(near, key=lambda seen: seen.confidence, default=None)


def _tilt(face: DetectedFace) -> float:
    return fit_similarity(face.landmarks).rotation_degrees
