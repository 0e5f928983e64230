"""Reads images from the object store, a bounded number at once, and proves them by their digest.

The key of an enrolment photo names its person. Messages go to logs and to headers of dead letters, so they
name an image by its digest.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta

from recognition_worker.adapters.fair_queue import FairSlots
from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import ImageRef
from service_kit.backoff import Backoff
from service_kit.errors import ObjectNotFound, PoisonRecord, TransientFailure
from service_kit.state.object_store import ObjectReader

# ingest stores the object before it publishes the event, so a missing one will not come; the tries are for a
# store that has just failed over.
TRIES = 5


class ObjectStoreImageReader:
    """An ImageReader."""

    def __init__(
        self,
        store: ObjectReader,
        *,
        at_once: int = 8,
        backoff: Callable[[], Backoff] = lambda: Backoff(maximum=timedelta(seconds=2)),
    ) -> None:
        self._store = store
        self._slots = FairSlots(at_once)
        self._backoff = backoff

    async def read(self, image: ImageRef, work: Work) -> bytes:
        """Return the bytes.

        Raises:
            PoisonRecord: image-missing after five tries, or image-altered.
            TransientFailure: the store is away.
        """
        data = await self._found(image, work)
        digest = hashlib.sha256(data).hexdigest()
        if digest != image.sha256:
            raise PoisonRecord(
                "image-altered",
                f"the image has SHA-256 {digest}, the event says {image.sha256}",
            )
        return data

    async def _found(self, image: ImageRef, work: Work) -> bytes:
        backoff = self._backoff()
        for attempt in range(1, TRIES + 1):
            try:
                async with self._slots.slot(work):
                    return await self._store.get(image.bucket, image.key)
            except ObjectNotFound as error:
                if attempt == TRIES:
                    detail = f"no image of SHA-256 {image.sha256} under the event's key, looked {TRIES} times"
                    raise PoisonRecord("image-missing", detail) from error
            except TransientFailure as failure:
                raise TransientFailure(
                    failure.dependency, failure.detail.replace(image.key, "(the event's key)")
                ) from None
            await asyncio.sleep(backoff.next_delay().total_seconds())
        raise AssertionError("unreachable: the last try returns or raises")
