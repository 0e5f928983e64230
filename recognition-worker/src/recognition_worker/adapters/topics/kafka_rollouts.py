"""The recorded rollout: followed by every worker, written by the command `rollout`.

`attendance.model-rollouts` is compacted and has one partition, so the workers see its records in one order.
The one in force is the last that counts: its version is greater than all before it. When one that came late
is the last, every worker writes once more what is in force, after a while of its own.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import ModelRolloutRecorded, RolloutMode
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import MODEL_ROLLOUTS
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.adapters.topics.kafka_snapshots import decoded
from recognition_worker.domain.identity import ModelId, Site
from recognition_worker.domain.rollout import Mode, RolloutPlan
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.record_versions import RecordVersions, version_header, version_of
from service_kit.views.repairs import Repairs

log = get_logger(__name__)

ALL_ORGANISATIONS = "*"
CATCH_UP_LIMIT = timedelta(seconds=10)


class _InForce:
    """The last record that counts of the one key that is followed; `take` in the order of the topic."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self._versions: RecordVersions[str] = RecordVersions()

    def take(self, record: Record) -> bool:
        """Take a record in; return whether it counts."""
        says_the_same = self.record is not None and self.record.value == record.value
        counts = self._versions.take(ALL_ORGANISATIONS, version_of(record), says_the_same=says_the_same)
        self.record = record if counts else self.record
        return counts

    @property
    def next_version(self) -> int:
        """The version that the next record has to have."""
        return self._versions.next_of(ALL_ORGANISATIONS)

    @property
    def is_overruled(self) -> bool:
        """Whether the last record does not count."""
        return self._versions.has_overruled


class KafkaRollouts:
    """Follows the topic; `on_plan` gets each plan, None when none is recorded any more.

    `start` returns when what is recorded now was given to `on_plan`.
    """

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, on_plan: Callable[[RolloutPlan | None], None]
    ) -> None:
        self._codec = codec
        self._on_plan = on_plan
        self._in_force = _InForce()
        self._topic = followed(kafka, MODEL_ROLLOUTS, self._apply)
        self._producer = RecordProducer(kafka, forget_late=True)
        self._repairs = Repairs(MODEL_ROLLOUTS.name, self._repair)
        self.check = self._topic.check

    async def start(self) -> None:
        """Follow the topic. Raises TransientFailure: call again."""
        self._in_force = _InForce()
        await self._topic.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._topic.stop()
        await self._producer.stop()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises what it died of. Repairs meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            repairing = tasks.create_task(self._repairs.run())
            await self._topic.join()
            repairing.cancel()

    async def _repair(self) -> None:
        await self._topic.caught_up(CATCH_UP_LIMIT)
        record = self._in_force.record
        if record is None or not self._in_force.is_overruled:
            return
        log.warning("a rollout came late; the one in force is recorded once more", record=str(record))
        headers = (version_header(self._in_force.next_version),)
        await self._producer.send(OutgoingRecord(record.topic, record.key, record.value, headers))

    async def _apply(self, record: Record, _read_at: float) -> None:
        if record.key != ALL_ORGANISATIONS.encode():
            log.error("a rollout of one organisation is left out: only * is followed", record=str(record))
            return
        if not self._in_force.take(record):
            log.warning("a rollout that came late does not count", record=str(record))
            self._repairs.ask()
            return
        if record.value is None:
            self._on_plan(None)
            return
        try:
            event = await self._codec.decode(record.value)
            if not isinstance(event, ModelRolloutRecorded):
                raise UndecodableRecord(f"a {type(event).__name__} is no rollout")
            plan = plan_of(event)
        except (UndecodableRecord, ValueError) as error:
            log.error("a rollout cannot be read and is left out", record=str(record), error=str(error))  # noqa: TRY400 - the sentence says it
            return
        self._on_plan(plan)


class RecordedRollout(NamedTuple):
    """The plan in force, None when there is none; its record, and the version that the next one needs."""

    plan: RolloutPlan | None
    record: Record | None
    next_version: int


async def recorded_rollout(kafka: KafkaSettings, codec: Codec) -> RecordedRollout:
    """Return what is recorded now.

    Raises:
        TransientFailure: Kafka is away. RegistryUnavailable: the schema registry is.
    """
    in_force = _InForce()
    async for record in records_of(kafka, kafka.topic(MODEL_ROLLOUTS.name)):
        if record.key == ALL_ORGANISATIONS.encode():
            in_force.take(record)
    found = in_force.record
    event = await decoded(found, codec) if found is not None and found.value is not None else None
    plan = plan_of(event) if isinstance(event, ModelRolloutRecorded) else None
    return RecordedRollout(plan, found, in_force.next_version)


def plan_of(event: ModelRolloutRecorded) -> RolloutPlan:
    """Return the plan of an event.

    Raises:
        ValueError: it names something that is no site.
    """
    return RolloutPlan(
        deciding=ModelId(event.deciding_model_name, event.deciding_model_version),
        mode=Mode(event.mode.value),
        candidate=_model(event.candidate_model_name, event.candidate_model_version),
        percent=event.canary_percent,
        sites=tuple(map(Site.parse, event.canary_sites)),
        promoted_from=_model(event.promoted_from_name, event.promoted_from_version),
    )


def rollout_record(
    plan: RolloutPlan, version: int, codec: Codec, kafka: KafkaSettings, *, recorded_by: str, now: datetime
) -> OutgoingRecord:
    """Return the record of a plan; the topic must be prepared in the codec."""
    candidate, former = plan.candidate, plan.promoted_from
    event = ModelRolloutRecorded(
        event_id=deterministic_id("ModelRolloutRecorded", ALL_ORGANISATIONS, now.isoformat()),
        occurred_at=now,
        recorded_at=now,
        org_id=ALL_ORGANISATIONS,
        deciding_model_name=plan.deciding.name,
        deciding_model_version=plan.deciding.version,
        mode=RolloutMode(plan.mode.value),
        recorded_by=recorded_by,
        candidate_model_name=candidate.name if candidate else None,
        candidate_model_version=candidate.version if candidate else None,
        canary_percent=plan.percent,
        canary_sites=tuple(map(str, plan.sites)),
        promoted_from_name=former.name if former else None,
        promoted_from_version=former.version if former else None,
    )
    return OutgoingRecord(
        kafka.topic(MODEL_ROLLOUTS.name),
        MODEL_ROLLOUTS.key_of(event),
        codec.encode(event, MODEL_ROLLOUTS),
        (version_header(version),),
    )


def _model(name: str | None, version: str | None) -> ModelId | None:
    return ModelId(name, version) if name and version else None
