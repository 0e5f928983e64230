"""The recorded rollout: followed by every worker, written by the command `rollout`.

`attendance.model-rollouts` is compacted and has one partition, so the last record is in force for everybody.
"""

from collections.abc import Callable
from datetime import datetime

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import ModelRolloutRecorded, RolloutMode
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import MODEL_ROLLOUTS
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.adapters.topics.kafka_snapshots import decoded, newest_by_key
from recognition_worker.domain.identity import ModelId, Site
from recognition_worker.domain.rollout import Mode, RolloutPlan
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

ALL_ORGANISATIONS = "*"


class KafkaRollouts:
    """Follows the topic; `on_plan` gets each plan, None when none is recorded any more.

    `start` returns when what is recorded now was given to `on_plan`.
    """

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, on_plan: Callable[[RolloutPlan | None], None]
    ) -> None:
        self._codec = codec
        self._on_plan = on_plan
        topic = followed(kafka, MODEL_ROLLOUTS, self._apply)
        self.start = topic.start
        self.stop = topic.stop
        self.check = topic.check
        self.join = topic.join

    async def _apply(self, record: Record, _read_at: float) -> None:
        if record.key != ALL_ORGANISATIONS.encode():
            log.error("a rollout of one organisation is left out: only * is followed", record=str(record))
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


async def recorded_plan(kafka: KafkaSettings, codec: Codec) -> RolloutPlan | None:
    """Return the plan that is recorded now; None when there is none.

    Raises:
        TransientFailure: Kafka is away. RegistryUnavailable: the schema registry is.
    """
    record = (await newest_by_key(kafka, MODEL_ROLLOUTS)).get(ALL_ORGANISATIONS.encode())
    event = await decoded(record, codec) if record is not None else None
    return plan_of(event) if isinstance(event, ModelRolloutRecorded) else None


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
    plan: RolloutPlan, codec: Codec, kafka: KafkaSettings, *, recorded_by: str, now: datetime
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
        kafka.topic(MODEL_ROLLOUTS.name), MODEL_ROLLOUTS.key_of(event), codec.encode(event, MODEL_ROLLOUTS)
    )


def _model(name: str | None, version: str | None) -> ModelId | None:
    return ModelId(name, version) if name and version else None
