"""The ids and small facts that travel between the gallery, the decision and the events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:  # the settings come this way, and `--help` needs no numpy
    from recognition_worker.domain.face import Vector

OrgId = NewType("OrgId", str)
PersonId = NewType("PersonId", str)
TemplateId = NewType("TemplateId", str)


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which model made an embedding. Embeddings of different models never compare."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image lies in the object store, and what it must be. orientation: EXIF, 1 to 8."""

    bucket: str
    key: str
    sha256: str
    media_type: str
    orientation: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One enrolled photo of a person. embedding: float32 (dimensions,), unit norm."""

    org_id: OrgId
    person_id: PersonId
    template_id: TemplateId
    model: ModelId
    embedding: Vector


@dataclass(frozen=True, slots=True)
class RankedPerson:
    """One person of a search. score: cosine with the person's mean template, in [-1, 1]."""

    person_id: PersonId
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best people of a search, best first, and how many people were compared in all."""

    people: tuple[RankedPerson, ...]
    searched_count: int
