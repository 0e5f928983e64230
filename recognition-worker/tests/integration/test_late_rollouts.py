"""A rollout that comes late takes nothing back; workers say once more what is in force."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MODEL_ROLLOUTS
from local_stack.environment import StackEnv
from recognition_worker.adapters.topics.kafka_rollouts import (
    KafkaRollouts,
    recorded_rollout,
    rollout_record,
)
from recognition_worker.composition import rollout_steps
from recognition_worker.composition.kafka import Connected
from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.rollout import RolloutPlan
from recognition_worker.errors import RolloutRefused
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings
from service_kit.views.record_versions import version_of

pytestmark = pytest.mark.integration

OLD, NEW = RolloutPlan(ModelId("old", "1")), RolloutPlan(ModelId("new", "1"))


@dataclass
class Place:
    kafka: KafkaSettings
    codec: Codec
    plans: list[RolloutPlan | None] = field(default_factory=list)

    def rollouts(self) -> KafkaRollouts:
        return KafkaRollouts(self.kafka, self.codec, self.plans.append)

    def record(self, plan: RolloutPlan, version: int) -> OutgoingRecord:
        now = datetime.now(UTC)
        return rollout_record(plan, version, self.codec, self.kafka, recorded_by="ops-1", now=now)

    async def send(self, record: OutgoingRecord) -> None:
        async with RecordProducer(self.kafka) as producer:
            await producer.send(record)

    async def records(self) -> list[Record]:
        return [each async for each in records_of(self.kafka, self.kafka.topic(MODEL_ROLLOUTS.name))]

    async def has_records(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(await self.records()) < count:  # noqa: ASYNC110 - what is awaited happens in a server
                await asyncio.sleep(0.1)


@pytest.fixture
async def place(stack: StackEnv) -> AsyncIterator[Place]:
    prefix = f"t{secrets.token_hex(3)}."
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=prefix,
        partitions=1,
        single_broker=True,
    )
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)
    async with SchemaRegistry(stack.schema_registry_url) as schemas:
        codec = Codec(schemas, prefix=prefix)
        await codec.prepare([MODEL_ROLLOUTS])
        yield Place(kafka, codec)
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    await admin.close()


async def test_a_late_rollout_does_not_count_and_is_overruled(place: Place) -> None:
    late = place.record(OLD, 2)
    await place.send(place.record(OLD, 1))
    await place.send(place.record(NEW, 2))
    rollouts = place.rollouts()
    await rollouts.start()
    following = asyncio.create_task(rollouts.join())
    assert place.plans == [OLD, NEW]

    await place.send(late)
    await place.has_records(4)
    last = (await place.records())[-1]
    assert version_of(last) == 3
    await rollouts.stop()
    await following
    assert set(place.plans[1:]) == {NEW}
    recorded = await recorded_rollout(place.kafka, place.codec)
    assert (recorded.plan, recorded.next_version) == (NEW, 4)


async def test_one_that_came_while_no_worker_ran_is_overruled_at_the_start(place: Place) -> None:
    for record in (place.record(OLD, 1), place.record(NEW, 2), place.record(OLD, 2)):
        await place.send(record)
    rollouts = place.rollouts()
    await rollouts.start()
    following = asyncio.create_task(rollouts.join())
    assert place.plans == [OLD, NEW]
    await place.has_records(4)
    await rollouts.stop()
    await following
    records = await place.records()
    assert records[-1].value == records[1].value


async def test_an_operator_is_told_when_another_step_was_first(place: Place) -> None:
    connected = Connected(place.kafka, place.codec)
    await rollout_steps._record(OLD, 1, "ops-1", connected)
    await rollout_steps._record(NEW, 2, "ops-1", connected)
    with pytest.raises(RolloutRefused, match="another step"):
        await rollout_steps._record(OLD, 2, "ops-2", connected)
    assert (await recorded_rollout(place.kafka, place.codec)).plan == NEW
