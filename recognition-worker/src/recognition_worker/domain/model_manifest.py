"""What is known about a model before it may decide anything: identity, licence, files, thresholds, evidence.

Thresholds are bound to the model's name and version, to the target FPIR in force, and to the number of
people searched: with more people, a stranger has more chances to resemble somebody. A calibration of one's
own replaces the packaged thresholds of the same model, and of no other. A model under a licence that is not
allowed does not load.
"""

import tomllib
from collections.abc import Collection

import msgspec

from recognition_worker.domain.decision import Thresholds
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.operating_point import (
    DEFAULT_TARGET_FPIR,
    OperatingPoint,
    check_points,
    thresholds_at,
)
from recognition_worker.errors import ModelRefused

# Licences that allow commercial use of the weights; "research only" is the common trap of face models.
ALLOWED_LICENCES = frozenset({"Apache-2.0", "BSD-3-Clause", "CC0-1.0", "MIT"})


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as its package ships it. sha256: lower-case hexadecimal."""

    package: str
    path: str
    sha256: str


class ModelManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recognition model. sha256: of the file that the runtime loads, made from `source`.

    same_person_score: cosine from which on two photos of one enrolment are taken to agree (1:1, lenient).
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
    source: SourceFile
    operating_points: tuple[OperatingPoint, ...]
    evaluation: dict[str, str | int | float]
    target_fpir: float = DEFAULT_TARGET_FPIR

    def __post_init__(self) -> None:
        for target_fpir in {self.target_fpir, *self.target_fpirs}:
            check_points(self._points(target_fpir))

    @property
    def model(self) -> ModelId:
        """The identity that embeddings, templates and decisions carry."""
        return ModelId(self.name, self.version)

    @property
    def target_fpirs(self) -> tuple[float, ...]:
        """The target FPIRs that there are thresholds for, strictest first."""
        return tuple(sorted({point.target_fpir for point in self.operating_points}))

    def thresholds(self, people_count: int) -> Thresholds:
        """Return the thresholds in force for a search over so many people."""
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
                f"(`python -m recognition_worker calibrate --target-fpir {target_fpir:g} --write FILE`)"
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
            ModelRefused: its licence is not in the allowed list.
        """
        if self.licence not in allowed:
            raise ModelRefused(
                f"model {self.model} is under the licence {self.licence!r}, allowed are "
                f"{', '.join(sorted(allowed))}; it does not load, because its terms may forbid this use: "
                "choose another model, or have the licence reviewed and add it to the allowed list"
            )


def parse_manifest(text: str) -> ModelManifest:
    """Read a manifest from TOML.

    Raises:
        ModelRefused: it is not TOML, or a field is missing, unknown or wrong.
    """
    try:
        return msgspec.convert(tomllib.loads(text), ModelManifest)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ModelRefused(f"the model manifest is wrong: {error}; correct it and start again") from error
