"""What is known about a model before it may decide anything: identity, licence, files, thresholds, evidence.

Thresholds are bound to the model's name and version, to the target FPIR in force, and to the number of
people searched: with more people, a stranger has more chances to resemble somebody. A calibration of one's
own replaces the packaged thresholds of the same model, and of no other. A model under a licence that is not
allowed does not load, and one without thresholds may be evaluated and run in the shadow, but never decides.
"""

import re
import tomllib
from collections.abc import Collection
from enum import StrEnum

import msgspec

from recognition_worker.domain.decision import Thresholds
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.landmark_layout import LandmarkLayout
from recognition_worker.domain.operating_point import (
    DEFAULT_TARGET_FPIR,
    OperatingPoint,
    check_points,
    thresholds_at,
)
from recognition_worker.errors import ModelRefused

# Licences that allow commercial use of the weights; "research only" is the common trap of face models.
ALLOWED_LICENCES = frozenset({"Apache-2.0", "BSD-3-Clause", "CC0-1.0", "MIT"})
# Name, version and file become parts of paths and object keys.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Nobody is identified and nobody is unknown: the best candidate and the score are kept for a comparison.
_UNCALIBRATED = Thresholds(threshold=1.0, margin=0.0, review_threshold=-1.0)


class Restoration(StrEnum):
    """What makes the file that the runtime loads of the one in the package."""

    NONE = "none"
    INT8_BLOCKS = "int8-blocks"  # OpenCV Zoo's block-quantised networks, folded back to float32


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as its package ships it. sha256: lower-case hexadecimal. extra: the extra that installs it."""

    package: str
    path: str
    sha256: str
    restoration: Restoration = Restoration.NONE
    extra: str | None = None


class ModelManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One recognition model. sha256: of the file that the runtime loads; empty when nobody has stated it.

    same_person_score: cosine from which on two photos of one enrolment are taken to agree (1:1, lenient).
    client: DeepFace's name of the model. file_name: what DeepFace calls the weights. landmark_layout, zoom:
    see `layout`. normalisation: DeepFace's name for what is done to the pixels; base is nothing. source:
    None when no package ships the weights. obtain: how to get them, for people. licence_reviewed: who allowed
    a licence that is not on the list, and by what; only in an operator's own manifest.
    target_fpir: which of the operating points are in force. evaluation: what they were calibrated with.
    """

    name: str
    version: str
    licence: str
    origin: str
    sha256: str
    input_size: int
    dimensions: int
    same_person_score: float
    client: str = "SFace"
    file_name: str = "face_recognition_sface_2021dec.onnx"
    landmark_layout: str = "arcface"
    zoom: float = 1.0
    normalisation: str = "base"
    obtain: str = ""
    licence_note: str = ""
    licence_reviewed: str = ""
    source: SourceFile | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    evaluation: dict[str, str | int | float] = {}
    target_fpir: float = DEFAULT_TARGET_FPIR

    def __post_init__(self) -> None:
        for field in ("name", "version", "file_name"):
            if not _PLAIN.fullmatch(getattr(self, field)):
                raise ValueError(f"{field} must be letters, digits, dots and hyphens")
        _ = self.layout
        if self.operating_points:
            for target_fpir in {self.target_fpir, *self.target_fpirs}:
                check_points(self._points(target_fpir))

    @property
    def model(self) -> ModelId:
        """The identity that embeddings, templates and decisions carry."""
        return ModelId(self.name, self.version)

    @property
    def layout(self) -> LandmarkLayout:
        """Where the model wants the face."""
        return LandmarkLayout(self.landmark_layout, self.input_size, self.zoom)

    @property
    def calibrated(self) -> bool:
        """Whether there are thresholds, without which it never decides."""
        return bool(self.operating_points)

    @property
    def target_fpirs(self) -> tuple[float, ...]:
        """The target FPIRs that there are thresholds for, strictest first."""
        return tuple(sorted({point.target_fpir for point in self.operating_points}))

    def thresholds(self, people_count: int) -> Thresholds:
        """Return the thresholds in force for a search over so many people.

        Without any, they are such that nobody is identified and every best candidate is kept as REVIEW.
        """
        if not self.operating_points:
            return _UNCALIBRATED
        return thresholds_at(self._points(self.target_fpir), people_count)

    def for_target(self, target_fpir: float) -> "ModelManifest":
        """Return the manifest with the thresholds of another target in force.

        Raises:
            ModelRefused: it has none for this target.
        """
        if target_fpir not in self.target_fpirs:
            known = ", ".join(f"{one:g}" for one in self.target_fpirs)
            raise ModelRefused(
                f"model {self.model} has no thresholds for a target FPIR of {target_fpir:g}, it has them for "
                f"{known}: choose one of these, or calibrate for it "
                f"(`recognition-worker calibrate --target-fpir {target_fpir:g} --write FILE`)"
            )
        return msgspec.structs.replace(self, target_fpir=target_fpir)

    def calibrated_by(self, calibration: "ModelManifest") -> "ModelManifest":
        """Return this manifest with the thresholds of a calibration, and the evaluation that made them.

        Raises:
            ModelRefused: the calibration is of another model, version or file.
        """
        if (calibration.model, calibration.sha256) != (self.model, self.sha256):
            raise ModelRefused(
                f"the calibration is of model {calibration.model} (file {calibration.sha256[:12]}), loaded "
                f"is {self.model} (file {self.sha256[:12]}); scores of one model say nothing about another: "
                "calibrate again"
            )
        return msgspec.structs.replace(
            self,
            operating_points=calibration.operating_points,
            evaluation=calibration.evaluation,
            target_fpir=calibration.target_fpir,
        )

    def _points(self, target_fpir: float) -> tuple[OperatingPoint, ...]:
        return tuple(point for point in self.operating_points if point.target_fpir == target_fpir)

    def check_licence(self, allowed: Collection[str] = ALLOWED_LICENCES) -> None:
        """Refuse a model that must not be used.

        Raises:
            ModelRefused: its licence is not in the allowed list, and nobody says that it was reviewed.
        """
        if self.licence not in allowed and not self.licence_reviewed:
            note = f" ({self.licence_note})" if self.licence_note else ""
            raise ModelRefused(
                f"model {self.model} is under the licence {self.licence!r}{note}, allowed are "
                f"{', '.join(sorted(allowed))}; it does not load, because its terms may forbid this use: "
                "choose another model, or have the licence reviewed and say in a manifest of your own who "
                "allowed it (licence_reviewed)"
            )

    def check_calibrated(self) -> None:
        """Refuse to let a model decide that has no thresholds.

        Raises:
            ModelRefused: there are no operating points in its manifest.
        """
        if not self.calibrated:
            raise ModelRefused(
                f"model {self.model} has no calibrated thresholds, so it must not decide: run `python -m "
                f"recognition_worker calibrate --model {self.name} --known DIR --unknown DIR` with photos "
                "of your cameras and put the operating points into its manifest; until then it can be "
                "evaluated, and run beside another model with `rollout shadow`"
            )


def parse_manifest(text: str, *, file: str = "the model manifest") -> ModelManifest:
    """Read a manifest from TOML. file: how to call it in a refusal.

    Raises:
        ModelRefused: it is not TOML, or a field is missing, unknown or wrong.
    """
    try:
        return msgspec.convert(tomllib.loads(text), ModelManifest)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelRefused(f"{file} is wrong: {error}; correct it and start again") from error
