"""Keeps galleries equal to `attendance.gallery`: complete before the first capture, then following."""

from collections.abc import Callable
from datetime import datetime, timedelta

from attendance_schemas.topics import GALLERY
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.adapters.topics.gallery_feed import GalleryFeed, Key
from recognition_worker.adapters.topics.key_roles import FollowedKeys
from recognition_worker.domain.identity import Person, TemplateId
from service_kit.settings import KafkaSettings

CATCH_UP_LIMIT = timedelta(seconds=10)


class KafkaGalleryView:
    """Follows the topic in the background; an async context is not needed, `start` and `stop` are.

    The keys of people have to be followed before.
    """

    def __init__(self, kafka: KafkaSettings, feed: GalleryFeed, keys: FollowedKeys) -> None:
        self._feed = feed
        self._topic = followed(kafka, GALLERY, feed.apply)
        self._keys = keys
        self._stop_telling: Callable[[], None] = lambda: None

    @property
    def offsets(self) -> tuple[int, ...]:
        """Return, by partition, where the topic is read on: what comes before is in the galleries."""
        return self._feed.offsets

    async def start(self) -> None:
        """Return when everything that the topic holds now is in the galleries; go on in the background.

        Raises:
            TransientFailure: Kafka or the registry is away; call again.
        """
        self._stop_telling()
        self._stop_telling = self._keys.on_erased(self._feed.forget_erased)
        await self._topic.start()

    async def stop(self) -> None:
        """Stop following."""
        self._stop_telling()
        await self._topic.stop()

    async def check(self) -> None:
        """Raise unless the gallery is complete and following; for readiness."""
        await self._topic.check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises the bug that it died of."""
        await self._topic.join()

    async def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        """Return a person's templates of enrolments until an instant, by any worker until now."""
        await self._topic.caught_up(CATCH_UP_LIMIT)
        return self._feed.requested_until(person, instant)

    async def came_back(self) -> list[Key]:
        """Return templates of erased enrolments that are on the topic now."""
        await self._topic.caught_up(CATCH_UP_LIMIT)
        return self._feed.came_back
