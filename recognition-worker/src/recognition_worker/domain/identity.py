"""The ids and small facts that travel between the gallery, the decision and the events.

An id is its organisation's own: two organisations may use one id for two people, sites or templates. What is
looked up by an id is therefore looked up by the organisation and the id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:  # the settings come this way, and `--help` needs no numpy
    from recognition_worker.domain.face import Vector

OrgId = NewType("OrgId", str)
PersonId = NewType("PersonId", str)
SiteId = NewType("SiteId", str)
TemplateId = NewType("TemplateId", str)
DeviceId = NewType("DeviceId", str)


class Person(NamedTuple):
    """Who somebody is."""

    org_id: OrgId
    person_id: PersonId


class Device(NamedTuple):
    """Which device it is."""

    org_id: OrgId
    device_id: DeviceId


class Site(NamedTuple):
    """Which site it is; as text `ORG:SITE`, since no id holds a colon."""

    org_id: OrgId
    site_id: SiteId

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read the text of a site.

        Raises:
            ValueError: it is not ORG:SITE.
        """
        org_id, _, site_id = text.partition(":")
        if not org_id or not site_id or ":" in site_id:
            raise ValueError(f"{text!r} is not ORG:SITE, the ids of an organisation and of its site")
        return cls(OrgId(org_id), SiteId(site_id))

    def __str__(self) -> str:
        return ":".join(self)


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
