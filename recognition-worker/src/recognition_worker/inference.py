"""The CPU use cases as the event loop sees them: a port, filled by an executor in production."""

from collections.abc import Collection, Sequence
from typing import Protocol

from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.enrol_person import Photo
from recognition_worker.results import CaptureResult, EnrolmentResult


class Inference(Protocol):
    """IdentifyCapture and EnrolPerson, off the event loop."""

    async def identify(self, image: bytes, *, org_id: OrgId, orientation: int) -> CaptureResult:
        """Identify a capture, perhaps in a batch with others; undecodable bytes are poison."""
        ...

    async def enrol(
        self,
        photos: Sequence[Photo],
        *,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Make templates of photos; verdicts in the order given."""
        ...
