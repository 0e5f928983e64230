"""Templates and the keys that seal them, on their two topics: put together, started and stopped in order."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from attendance_schemas.codec import Codec
from recognition_worker.adapters.erasure_sweep import ErasureSweep
from recognition_worker.adapters.gallery_feed import GalleryFeed
from recognition_worker.adapters.kafka_gallery_view import KafkaGalleryView
from recognition_worker.adapters.kafka_match_publisher import KafkaMatchPublisher, Sender
from recognition_worker.adapters.kafka_person_keys import KafkaPersonKeys
from recognition_worker.domain.identity import ModelId
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.ports import Gallery
from service_kit.envelope import KeyRing
from service_kit.settings import KafkaSettings


class KafkaTemplates:
    """The galleries of the models, followed; the keys of people; and a publisher that seals.

    The topics that the publisher writes must be prepared in the codec.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        producer: Sender,
        ring: KeyRing,
        galleries: Mapping[ModelId, Gallery],
        metrics: RecognitionMetrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.keys = KafkaPersonKeys(kafka, codec, producer, ring, now=now)
        self.gallery = KafkaGalleryView(kafka, GalleryFeed(galleries, self.keys, codec, metrics), self.keys)
        self.publisher = KafkaMatchPublisher(producer, codec, kafka, self.keys)
        self._sweep = ErasureSweep(self.keys, self.gallery, self.publisher, metrics)

    async def start(self) -> None:
        """Return when all keys are known, and then all templates that they open are in the galleries.

        Raises:
            TransientFailure: Kafka or the registry is away; call again.
            KeysRefused: keys are wrapped with a key-encryption key that is not configured; do not start.
        """
        await self.keys.start()
        await self.gallery.start()

    async def stop(self) -> None:
        """Stop following."""
        await self.gallery.stop()
        await self.keys.stop()

    async def check(self) -> None:
        """Raise unless both topics are complete and followed; for readiness."""
        await self.keys.check()
        await self.gallery.check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises the bug that one of them died of."""
        tasks = {
            asyncio.create_task(work) for work in (self.keys.join(), self.gallery.join(), self._sweep.run())
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
