"""Device sequences from the topics of captures and punches, for a Valkey that has lost or missed some.

The topics keep 30 days. Where a partition no longer begins at its first record, numbers before the first one
that is still there count as arrived.
"""

import asyncio
from dataclasses import dataclass, field

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import CaptureReceived, Event, PunchSubmitted
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, PUNCHES, Topic
from ingest.adapters.valkey_device_sequences import ValkeyDeviceSequences
from ingest.domain.sequence_ranges import DeviceKey, SequenceRanges
from ingest.metrics import IngestMetrics
from service_kit.backoff import Backoff, wait
from service_kit.errors import TransientFailure
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.records import Record, TopicPartition
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)


@dataclass(slots=True)
class SequencesOfTopics:
    """What the records of these topics say about device sequences."""

    by_device: dict[DeviceKey, SequenceRanges] = field(default_factory=dict)
    _begins_at: dict[TopicPartition, int] = field(default_factory=dict)
    _cut_off: set[DeviceKey] = field(default_factory=set)

    def apply(self, record: Record, event: Event | None) -> None:
        """Take a record in; those of a partition in order."""
        if not isinstance(event, CaptureReceived | PunchSubmitted):
            return
        if event.device_id is None or event.device_sequence is None:
            return
        device = (event.org_id, event.device_id)
        begins_at = self._begins_at.setdefault(record.topic_partition, record.offset)
        if begins_at > 0:
            self._cut_off.add(device)
        self.by_device.setdefault(device, SequenceRanges()).add(event.device_sequence)

    def finish(self) -> dict[DeviceKey, SequenceRanges]:
        """Return the ranges of every device."""
        for device in self._cut_off:
            self.by_device[device].forgive_before_first()
        return self.by_device


class SequenceRebuild:
    """Rebuilds the sequences whenever they are found incomplete; captures are accepted meanwhile.

    Nobody waits for it, at the start either: 60 days of captures of a large fleet take hours to read.
    """

    def __init__(
        self, sequences: ValkeyDeviceSequences, kafka: KafkaSettings, codec: Codec, metrics: IngestMetrics
    ) -> None:
        self._sequences = sequences
        self._kafka = kafka
        self._codec = codec
        self._metrics = metrics

    async def run(self, stopping: asyncio.Event) -> None:
        """Rebuild as often as needed, at once if need be, until told to stop."""
        backoff = Backoff()
        while not stopping.is_set():
            if await self._try_once():
                backoff.reset()
                await _first(self._sequences.incomplete, stopping)
            else:
                await wait(backoff.next_delay(), stopping)

    async def _try_once(self) -> bool:
        """Rebuild if needed; False when something is away: captures go on, and `run` tries again."""
        try:
            await self._rebuild_if_needed()
        except TransientFailure as failure:
            log.warning(
                "device sequences cannot be rebuilt now",
                dependency=failure.dependency,
                reason=failure.detail,
            )
            self._sequences.incomplete.set()
            return False
        return True

    async def _rebuild_if_needed(self) -> None:
        if not await self._sequences.begin_rebuild():
            return
        found = SequencesOfTopics()
        for topic in (CAPTURES, CAPTURES_BACKLOG, PUNCHES):
            await self._read(topic, found)
        ranges = found.finish()
        await self._sequences.finish_rebuild(ranges)
        self._metrics.sequence_rebuilds.inc()
        log.info("device sequences were rebuilt from the topics", devices=len(ranges))

    async def _read(self, topic: Topic, found: SequencesOfTopics) -> None:
        async for record in records_of(self._kafka, self._kafka.topic(topic.name)):
            try:
                found.apply(record, await self._codec.decode(record.value))
            except UndecodableRecord as error:
                self._metrics.unreadable_records.labels(topic.name).inc()
                log.error("a record was left out of the sequences", record=str(record), error=str(error))  # noqa: TRY400
            except RegistryUnavailable as error:
                raise TransientFailure("schema-registry", str(error)) from error


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
