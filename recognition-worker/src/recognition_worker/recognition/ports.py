"""What recognition needs from the world, as roles.

The vision ports (ImageDecoder, FaceDetector, FaceCropper, LivenessCheck, Embedder) are synchronous: they are
CPU work for an executor thread, safe to call from several threads. The others talk to servers and are async.
Image and model adapters raise `UndecodableImage` (poison) and `ModelRefused` (do not start); a dependency
that is away is the kit's TransientFailure.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attendance_schemas.events import EnrolmentDecided, MatchDecided, TemplateEnrolled
from recognition_worker.domain.alignment import Similarity
from recognition_worker.domain.face import DecodedImage, DetectedFace, Pixels, Vector
from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import (
    ImageRef,
    ModelId,
    OrgId,
    Person,
    PersonId,
    Ranking,
    Template,
    TemplateId,
)
from recognition_worker.domain.person_keys import KeyId


class ImageReader(Protocol):
    """Fetches an image that an event refers to."""

    async def read(self, image: ImageRef, work: Work) -> bytes:
        """Return the bytes, proven against `image.sha256`. work: by which its turn comes.

        A missing or altered object is poison, an unreachable store is transient.
        """
        ...


class ImageDecoder(Protocol):
    """Turns bytes of a device into upright pixels."""

    def decode(self, data: bytes, orientation: int = 1, *, coarse: bool = False) -> DecodedImage:
        """Decode and turn upright by the EXIF orientation 1 to 8.

        coarse: no more pixels than finding a face needs, where that saves time.

        Raises:
            UndecodableImage: not JPEG, PNG or WebP, damaged, or over the limits.
        """
        ...


class FaceDetector(Protocol):
    """Finds faces."""

    def detect(self, pixels: Pixels, *, thorough: bool = False) -> tuple[DetectedFace, ...]:
        """Return all faces, largest first, in pixels of this image.

        thorough: look for small faces too, at several times the cost (enrolment, where a bystander matters).
        """
        ...

    def refine(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        """Return one face of an image with landmarks as exact as the image allows."""
        ...


class FaceCropper(Protocol):
    """Cuts a face out of an image."""

    def crop(self, pixels: Pixels, transform: Similarity, size: int) -> Pixels:
        """Warp the image by `transform` to (size, size, 3); what lies outside is black."""
        ...


class LivenessCheck(Protocol):
    """Looks for signs that a face is shown and not there: a print, a screen, a mask."""

    def suspicions(self, pixels: Pixels, face: DetectedFace) -> tuple[str, ...]:
        """Return what speaks against a live person, in words for people; empty when nothing does.

        pixels: the upright image, with what surrounds the face; not to be changed.
        """
        ...


class Embedder(Protocol):
    """A face recognition model."""

    @property
    def model(self) -> ModelId:
        """Return which model this is; it travels with each embedding."""
        ...

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        """Embed aligned crops. crops: uint8 (112, 112, 3) BGR. Returns float32 (n, d), unit norm."""
        ...


class Gallery(Protocol):
    """Who is enrolled: the searchable view of `attendance.gallery`. Safe between threads."""

    def add(self, template: Template) -> None:
        """Add or replace a template. Adding the same one again changes nothing.

        Raises:
            ModelMismatch: the template is of another model or dimension.
        """
        ...

    def erase(self, person: Person, template_id: TemplateId) -> bool:
        """Forget a template (a tombstone); return whether it was there."""
        ...

    def search(
        self,
        probe: Vector,
        model: ModelId,
        *,
        org_id: OrgId,
        scope: Collection[PersonId] | None = None,
        limit: int = 5,
    ) -> Ranking:
        """Rank the people of an organisation, best first, one score per person, the best `limit` of them.

        probe: float32 (d,), unit norm. scope: only these people of it; None means everybody.

        Raises:
            ModelMismatch: the probe is of another model or dimension.
        """
        ...

    def search_batch(
        self,
        probes: Vector,
        model: ModelId,
        *,
        org_id: OrgId,
        scope: Collection[PersonId] | None = None,
        limit: int = 5,
    ) -> list[Ranking]:
        """Rank for each probe (p, d) as `search` does, in one pass over the gallery.

        Raises:
            ModelMismatch: a probe is of another model or dimension.
        """
        ...

    def people_count(self, org_id: OrgId) -> int:
        """Count the people of an organisation with at least one template."""
        ...


Knows = Callable[[], Mapping[ModelId, tuple[int, ...]]]
"""What each model's gallery holds by now: by partition, where its topic is read on."""


class Erasures(Protocol):
    """Knows who was erased."""

    async def voids(self, person: Person, requested_at: datetime) -> bool:
        """Say whether a person was erased at or after an instant (UTC), by any worker until now."""
        ...


class PersonKeyStore(Protocol):
    """Takes data keys of people away."""

    async def void(
        self, person: Person, erased_at: datetime, *, completed_at: datetime | None = None
    ) -> datetime:
        """Void all that was requested until `erased_at`, for good; return when it is acked.

        Returns until when it is void: a later erasure that is known stays in force. completed_at: all that
        was requested until `erased_at` is gone; a later erasure says so itself.
        """
        ...

    async def requested_until(self, person: Person, instant: datetime) -> Sequence[KeyId]:
        """Return the keys that were issued for enrolments until an instant, by any worker until now."""
        ...

    async def erase(self, person: Person, key_id: KeyId) -> None:
        """Write the tombstone of a key; return when it is acked."""
        ...


class TemplateIndex(Protocol):
    """Knows which templates are written, readable or not."""

    async def requested_until(self, person: Person, instant: datetime) -> Sequence[TemplateId]:
        """Return a person's templates of enrolments until an instant, by any worker until now."""
        ...


class MatchPublisher(Protocol):
    """Publishes what was decided about a capture."""

    async def publish(self, match: MatchDecided) -> None:
        """Return when every in-sync replica has the record; only then may the capture be acknowledged."""
        ...

    async def publish_shadow(self, match: MatchDecided) -> None:
        """Publish what a model beside the deciding one would have decided; return when it is acked."""
        ...


class TemplatePublisher(Protocol):
    """Writes the gallery's topic and answers enrolments."""

    async def enrol(self, template: TemplateEnrolled) -> None:
        """Write a readable template, sealed with its person's key; return when it is acked."""
        ...

    async def erase(self, person: Person, template_id: TemplateId) -> None:
        """Write the tombstone of a template; return when it is acked."""
        ...

    async def decide(self, decision: EnrolmentDecided) -> None:
        """Publish the verdict on an enrolment, after its templates; return when it is acked."""
        ...


class StoredWeights(Protocol):
    """Weights of models in the object store. Synchronous: models load in a thread."""

    def describe(self, file_name: str) -> str:
        """Say where a file would be looked for."""
        ...

    def find(self, file_name: str) -> str | None:
        """Return where a file lies, None when it is nowhere.

        Raises:
            ModelRefused: the store is away.
        """
        ...

    def read(self, file_name: str) -> bytes:
        """Return the bytes of a file that was found, not proven.

        Raises:
            ModelRefused: it is gone, or the store is away.
        """
        ...
