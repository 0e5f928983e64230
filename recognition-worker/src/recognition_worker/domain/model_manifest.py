"""What is known about a model before it may decide anything: identity, licence, files, thresholds, evidence.

Thresholds are bound to the model's name and version, and to the number of people searched: with more
people, a stranger has more chances to resemble somebody. A model under a licence that is not allowed does
not load, and one without thresholds may be evaluated and run in the shadow, but never decides.
"""

import re
import tomllib
from collections.abc import Collection
from enum import StrEnum

import msgspec

from recognition_worker.domain.decision import Thresholds
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.input_template import InputTemplate
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


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds for a search over up to so many people, and how they were found."""

    people_up_to: int
    threshold: float
    margin: float
    review_threshold: float
    evidence: str


class ModelManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One recognition model. sha256: of the file that the runtime loads; empty when nobody has stated it.

    same_person_score: cosine from which on two photos of one enrolment are taken to agree (1:1, lenient).
    client: DeepFace's name of the model. file_name: what DeepFace calls the weights. template, zoom: see
    `input_template`. normalisation: DeepFace's name for what is done to the pixels; base is nothing. source:
    None when no package ships the weights. obtain: how to get them, for people. licence_reviewed: who allowed
    a licence that is not on the list, and by what; only in an operator's own manifest.
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
    template: str = "arcface"
    zoom: float = 1.0
    normalisation: str = "base"
    obtain: str = ""
    licence_note: str = ""
    licence_reviewed: str = ""
    source: SourceFile | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    evaluation: dict[str, str | int | float] = {}

    def __post_init__(self) -> None:
        for field in ("name", "version", "file_name"):
            if not _PLAIN.fullmatch(getattr(self, field)):
                raise ValueError(f"{field} must be letters, digits, dots and hyphens")
        _ = self.input_template
        sizes = [point.people_up_to for point in self.operating_points]
        if sizes != sorted(set(sizes)):
            raise ValueError("operating_points must be ordered by rising people_up_to")
        for point in self.operating_points:
            Thresholds(point.threshold, point.margin, point.review_threshold)

    @property
    def model(self) -> ModelId:
        """The identity that embeddings, templates and decisions carry."""
        return ModelId(self.name, self.version)

    @property
    def input_template(self) -> InputTemplate:
        """Where the model wants the face."""
        return InputTemplate(self.template, self.input_size, self.zoom)

    @property
    def calibrated(self) -> bool:
        """Whether there are thresholds, without which it never decides."""
        return bool(self.operating_points)

    def thresholds(self, people_count: int) -> Thresholds:
        """Return the thresholds for a search over so many people; beyond the last point, the last one's.

        Without any, they are such that nobody is identified and every best candidate is kept as REVIEW.
        """
        points = self.operating_points
        if not points:
            return _UNCALIBRATED
        point = next((point for point in points if people_count <= point.people_up_to), points[-1])
        return Thresholds(point.threshold, point.margin, point.review_threshold)

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
