"""Templates and the keys that seal them, on their topics: one set of keys, a gallery view for each model."""

from collections.abc import Callable, Mapping
from datetime import datetime

from attendance_schemas.codec import Codec
from recognition_worker.adapters.topics.gallery_feed import GalleryFeed
from recognition_worker.adapters.topics.kafka_gallery_view import KafkaGalleryView
from recognition_worker.adapters.topics.kafka_match_publisher import KafkaMatchPublisher
from recognition_worker.adapters.topics.kafka_person_keys import KafkaPersonKeys
from recognition_worker.domain.identity import ModelId
from recognition_worker.metrics import GalleryMetrics
from recognition_worker.recognition.ports import Gallery
from service_kit.kafka.producer import Sender
from service_kit.settings import KafkaSettings
from service_kit.state.envelope import KeyRing


class KafkaTemplates:
    """The keys of people, a publisher that seals with them, and views that open what it sealed.

    The topics that the publisher writes must be prepared in the codec. `key_producer` writes keys, whose last
    record counts: it has to forget what is late. Without one, `producer` writes them too.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        producer: Sender,
        ring: KeyRing,
        *,
        now: Callable[[], datetime],
        key_producer: Sender | None = None,
    ) -> None:
        self._kafka = kafka
        self._codec = codec
        self.keys = KafkaPersonKeys(kafka, codec, key_producer or producer, ring, now=now)
        self.publisher = KafkaMatchPublisher(producer, codec, kafka, self.keys)

    def view_of(
        self,
        galleries: Mapping[ModelId, Gallery],
        metrics: GalleryMetrics,
        *,
        kept_elsewhere: Callable[[ModelId], bool] = lambda _model: False,
    ) -> KafkaGalleryView:
        """Return a view that fills galleries by model; start it when the keys are followed."""
        feed = GalleryFeed(galleries, self.keys, self._codec, metrics, kept_elsewhere=kept_elsewhere)
        return KafkaGalleryView(self._kafka, feed, self.keys)
