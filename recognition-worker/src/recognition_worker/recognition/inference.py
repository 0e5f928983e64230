"""The CPU use cases as the event loop sees them: a port, filled by an executor in production."""

from collections.abc import Collection, Sequence
from typing import Protocol

from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult


class Inference(Protocol):
    """IdentifyCapture and EnrolPerson, off the event loop."""

    async def identify(
        self,
        image: bytes,
        *,
        work: Work,
        org_id: OrgId,
        orientation: int,
        scope: frozenset[PersonId] | None = None,
    ) -> CaptureResult:
        """Identify a capture, perhaps in a batch with others; undecodable bytes are poison.

        work: by which its turn comes. scope: the people of its site; None means the whole organisation.
        """
        ...

    async def enrol(
        self,
        photos: Sequence[Photo],
        *,
        work: Work,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Make templates of photos; verdicts in the order given."""
        ...
