"""A topic as decoded events, in order and complete before it is used. A registry that is away delays it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Self

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import Event
from attendance_schemas.topics import Topic
from ingest.metrics import IngestMetrics
from service_kit.kafka.records import Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.state.followed_topic import FollowedTopic

log = get_logger(__name__)

Apply = Callable[[Record, Event | None], None]


class KafkaEventView:
    """Gives every record of a topic and its event (None for a tombstone) to `apply`, from the beginning."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: Topic,
        codec: Codec,
        apply: Apply,
        metrics: IngestMetrics,
        *,
        start_timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        self._topic = topic
        self._codec = codec
        self._apply = apply
        self._metrics = metrics
        self._followed = FollowedTopic(
            kafka, topic.name, self._decode, again=(RegistryUnavailable,), start_limit=start_timeout
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Apply what the topic holds now, then go on in the background.

        Raises:
            TransientFailure: Kafka or the schema registry is away; make a new view and start that.
        """
        await self._followed.start()

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._followed.stop()

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before a position was applied; False when that takes too long."""
        return await self._followed.reached(position, timeout)

    async def check(self) -> None:
        """Raise unless the view is complete and following; for readiness."""
        await self._followed.check()

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises the bug it died of."""
        await self._followed.join()

    async def _decode(self, record: Record, _read_at: float) -> None:
        try:
            event = None if record.value is None else await self._codec.decode(record.value)
        except UndecodableRecord as error:
            self._metrics.unreadable_records.labels(self._topic.name).inc()
            log.error("a record was left out of a view", record=str(record), error=str(error))  # noqa: TRY400
            return
        self._apply(record, event)
