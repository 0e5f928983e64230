"""What is known about a model before it may decide anything: identity, licence, files, thresholds, evidence.

Thresholds are bound to the model's name and version, and to the number of people searched: with more
people, a stranger has more chances to resemble somebody. A model under a licence that is not allowed does
not load.
"""

import tomllib
from collections.abc import Collection

import msgspec

from recognition_worker.domain.decision import Thresholds
from recognition_worker.domain.identity import ModelId
from recognition_worker.errors import ModelRefused

# Licences that allow commercial use of the weights; "research only" is the common trap of face models.
ALLOWED_LICENCES = frozenset({"Apache-2.0", "BSD-3-Clause", "CC0-1.0", "MIT"})


class SourceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as its package ships it. sha256: lower-case hexadecimal."""

    package: str
    path: str
    sha256: str


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds for a search over up to so many people, and how they were found."""

    people_up_to: int
    threshold: float
    margin: float
    review_threshold: float
    evidence: str


class ModelManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recognition model. sha256: of the file that the runtime loads, made from `source`.

    same_person_score: cosine from which on two photos of one enrolment are taken to agree (1:1, lenient).
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

    def __post_init__(self) -> None:
        sizes = [point.people_up_to for point in self.operating_points]
        if not sizes or sizes != sorted(set(sizes)):
            raise ValueError("operating_points must be there, by rising people_up_to")
        for point in self.operating_points:
            Thresholds(point.threshold, point.margin, point.review_threshold)

    @property
    def model(self) -> ModelId:
        """The identity that embeddings, templates and decisions carry."""
        return ModelId(self.name, self.version)

    def thresholds(self, people_count: int) -> Thresholds:
        """Return the thresholds for a search over so many people; beyond the last point, the last one's."""
        points = self.operating_points
        point = next((point for point in points if people_count <= point.people_up_to), points[-1])
        return Thresholds(point.threshold, point.margin, point.review_threshold)

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
