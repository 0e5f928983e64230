"""Says whether a face is good enough to compare, and if not, what to do about it.

Lenient when matching (a poor capture gets a low score anyway, and a refusal costs a person a second try),
strict when enrolling (a bad template is compared with everybody, every day). All measures come from the
aligned crop and the five landmarks. The reasons are sentences for the person in front of the camera. Of
occlusion they tell only what hides both eyes or the mouth behind something plain: dark glasses, a mask, a
sleeve; a cap, a beard or a patterned scarf look like a face.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognition_worker.domain.alignment import Similarity
from recognition_worker.domain.face import DetectedFace, Pixels, Vector

# Rec. 601 luma of B, G, R.
_LUMA_BGR = np.array([0.114, 0.587, 0.299], dtype=np.float32)
_BLACK, _WHITE = 10.0, 245.0
# Windows of the aligned crop (top, bottom, left, right) around the points of LANDMARKS_112.
_EYE_WINDOWS = ((45, 59, 27, 49), (45, 59, 63, 85))
_MOUTH_WINDOWS = ((85, 99, 38, 74),)


@dataclass(frozen=True, slots=True)
class QualityMeasures:
    """What was measured on one face.

    face_size_px: shorter side of the box in image pixels. sharpness: variance of the Laplacian of the
    aligned crop. turn: sideways offset of the nose from the middle of eyes and mouth, in eye distances; 0
    is frontal, positive is towards the right of the image. nod: where the nose lies between eye line (0)
    and mouth line (1). roll_degrees: tilt of the head. brightness: mean luma, 0 to 255. clipped: share of
    pixels that are black or white. eye_contrast, mouth_contrast: standard deviation of the luma there, as a
    share of the brightness; what is covered by something plain has next to none.
    """

    detection_score: float
    face_size_px: float
    sharpness: float
    turn: float
    nod: float
    roll_degrees: float
    brightness: float
    clipped: float
    eye_contrast: float
    mouth_contrast: float


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What a face must keep to; units as in `QualityMeasures`."""

    least_detection_score: float
    least_face_size_px: float
    least_sharpness: float
    most_turn: float
    nod_between: tuple[float, float]
    most_roll_degrees: float
    brightness_between: tuple[float, float]
    most_clipped: float
    least_eye_contrast: float
    least_mouth_contrast: float


# Chosen on the photos of docs/recognition/accuracy.md: matching refuses what cannot be compared at all,
# enrolment asks for what a kiosk gets from a person who looks into the camera.
MATCH_LIMITS = QualityLimits(
    least_detection_score=0.6,
    least_face_size_px=32.0,
    least_sharpness=10.0,
    most_turn=0.7,
    nod_between=(0.05, 0.95),
    most_roll_degrees=60.0,
    brightness_between=(20.0, 240.0),
    most_clipped=0.6,
    # A covered face may still be recognised, and is nobody's template.
    least_eye_contrast=0.0,
    least_mouth_contrast=0.0,
)
ENROLMENT_LIMITS = QualityLimits(
    least_detection_score=0.75,
    least_face_size_px=60.0,
    least_sharpness=30.0,
    most_turn=0.40,
    nod_between=(0.2, 0.85),
    most_roll_degrees=25.0,
    brightness_between=(45.0, 215.0),
    most_clipped=0.35,
    # Of 831 press photos the least is 0.091 and 0.080.
    least_eye_contrast=0.08,
    least_mouth_contrast=0.07,
)
# For evaluations: whatever has a face is compared, so that the model is judged and not the gate.
NO_LIMITS = QualityLimits(
    least_detection_score=0.0,
    least_face_size_px=0.0,
    least_sharpness=0.0,
    most_turn=float("inf"),
    nod_between=(float("-inf"), float("inf")),
    most_roll_degrees=180.0,
    brightness_between=(0.0, 255.0),
    most_clipped=1.0,
    least_eye_contrast=0.0,
    least_mouth_contrast=0.0,
)


def measure(face: DetectedFace, transform: Similarity, crop: Pixels) -> QualityMeasures:
    """Measure a face. crop: the aligned crop that `transform` gave."""
    # As rows of pixels: over images the product is slower by half.
    luma = (crop.reshape(-1, 3).astype(np.float32) @ _LUMA_BGR).reshape(crop.shape[:2])
    brightness = float(luma.mean())
    clipped = np.count_nonzero(luma <= _BLACK) + np.count_nonzero(luma >= _WHITE)
    left_eye, right_eye, nose, left_mouth, right_mouth = transform.apply(face.landmarks)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eye_distance = max(float(np.hypot(*(right_eye - left_eye))), 1.0)
    height = float(mouth[1] - eyes[1])
    return QualityMeasures(
        detection_score=face.confidence,
        face_size_px=min(face.box.width, face.box.height),
        sharpness=laplacian_variance(luma),
        turn=float(nose[0] - (eyes[0] + mouth[0]) / 2) / eye_distance,
        nod=float(nose[1] - eyes[1]) / height if height > 1.0 else 0.0,
        roll_degrees=transform.rotation_degrees,
        brightness=brightness,
        clipped=clipped / luma.size,
        eye_contrast=_contrast(luma, brightness, _EYE_WINDOWS),
        mouth_contrast=_contrast(luma, brightness, _MOUTH_WINDOWS),
    )


def _contrast(luma: Vector, brightness: float, windows: Sequence[tuple[int, int, int, int]]) -> float:
    spreads = [float(luma[top:bottom, left:right].std()) for top, bottom, left, right in windows]
    return sum(spreads) / len(spreads) / (brightness + 1.0)


def laplacian_variance(luma: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Return the variance of the 4-neighbour Laplacian of an image (height, width); small means blurred."""
    edges = luma[1:-1, 1:-1] * np.float32(-4.0)
    for neighbours in (luma[:-2, 1:-1], luma[2:, 1:-1], luma[1:-1, :-2], luma[1:-1, 2:]):
        edges += neighbours
    return float(edges.var())


def judge(measures: QualityMeasures, limits: QualityLimits) -> tuple[str, ...]:
    """Return the reasons against a face, worst kind first; none means it is good enough."""
    reasons: list[str] = []
    if measures.face_size_px < limits.least_face_size_px:
        reasons.append(
            f"the face is too small ({measures.face_size_px:.0f} pixels, "
            f"{limits.least_face_size_px:.0f} needed): come closer"
        )
    if measures.detection_score < limits.least_detection_score:
        reasons.append("the face is not clearly visible: uncover it and look into the camera")
    reasons += _exposure(measures, limits)
    if measures.sharpness < limits.least_sharpness:
        reasons.append("the face is blurred: hold still, and clean the lens if this repeats")
    reasons += _pose(measures, limits)
    if measures.eye_contrast < limits.least_eye_contrast:
        reasons.append("the eyes are covered: take off dark glasses")
    if measures.mouth_contrast < limits.least_mouth_contrast:
        reasons.append("the mouth is covered: take off the mask, and keep hands away from the face")
    return tuple(reasons)


def _exposure(measures: QualityMeasures, limits: QualityLimits) -> list[str]:
    darkest, brightest = limits.brightness_between
    if measures.brightness < darkest:
        return ["the face is too dark: turn towards the light"]
    if measures.brightness > brightest:
        return ["the face is too bright: step out of the direct light"]
    if measures.clipped > limits.most_clipped:
        return ["parts of the face are only black or white: find softer, more even light"]
    return []


def _pose(measures: QualityMeasures, limits: QualityLimits) -> list[str]:
    reasons = []
    if abs(measures.turn) > limits.most_turn:
        reasons.append("the head is turned to the side: look straight into the camera")
    lowest, highest = limits.nod_between
    if not lowest <= measures.nod <= highest:
        reasons.append("the head is raised or lowered: look straight into the camera")
    if abs(measures.roll_degrees) > limits.most_roll_degrees:
        reasons.append("the head is tilted: hold it upright")
    return reasons
