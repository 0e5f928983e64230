"""What the directory took back while nobody followed, and compaction then forgot."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from attendance_projector.projection.directory.take_back_missed import MANY, TopicKeys, take_back_missed
from attendance_schemas.events import Event
from attendance_schemas.topics import DIRECTORY
from attendance_testing.lost_records import delete_before, made_again
from attendance_testing.polling import DEADLINE, eventually
from attendance_testing.projector.rebuilds import Deployment
from attendance_testing.projector.standby import LaggingStandby
from local_stack.environment import StackEnv
from service_kit.errors import TransientFailure
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.records import Position
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEPT = timedelta(days=90)
FORGETS_SOON = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "100",
}


def everything(plant: Any) -> list[Event]:
    """Return one event of each kind that the directory knows."""
    return [
        plant.organisation(),
        plant.site(),
        plant.device("gate"),
        plant.person("p-1"),
        plant.shift("late", 10, 18),
        plant.roster("p-1", "late", date(2026, 3, 2)),
        plant.holiday(date(2026, 3, 4)),
        plant.leave("p-1", date(2026, 3, 5)),
        plant.policy(date(2026, 3, 1)),
    ]


async def test_the_tables_say_the_keys_of_all_that_was_recorded(plant: Any) -> None:
    before = await plant.read_model.directory_keys()
    events = everything(plant)
    assert {type(each).__name__ for each in events} == set(DIRECTORY.events)
    await plant.tell(*events)
    keys = {DIRECTORY.key_of(each) for each in events}
    assert await plant.read_model.directory_keys() == before | keys
    await plant.tell(*map(plant.tombstone, events))
    assert await plant.read_model.directory_keys() == before - keys


async def missed(plant: Any, kept: set[bytes], *, end: int, now: datetime = NOW) -> int:
    async def read_keys() -> TopicKeys:
        return TopicKeys(kept, [Position(DIRECTORY.name, 0, end)])

    return await take_back_missed(
        plant.read_model, read_keys, plant.projector.take_back, tombstones_kept=KEPT, now=now
    )


async def test_tables_that_were_followed_are_not_compared(plant: Any) -> None:
    await plant.tell(plant.tick("2026-10-31T12:00Z"))
    assert await missed(plant, set(), end=1000) == 0
    assert await missed(plant, set(), end=1000, now=NOW + KEPT / 2) > 0
    assert await plant.read_model.directory_keys() == set()


async def test_what_another_projector_reads_on_is_compared_again(plant: Any) -> None:
    """What the topic did not have may have been recorded again since."""
    holiday = plant.holiday(date(2026, 3, 4))
    await plant.tell(holiday)
    known = await plant.read_model.directory_keys()
    kept = known - {DIRECTORY.key_of(holiday)}
    with pytest.raises(TransientFailure, match="another projector"):
        await missed(plant, kept, end=0)
    assert await plant.read_model.directory_keys() == known
    assert await missed(plant, kept, end=1000) == 1
    assert await plant.read_model.directory_keys() == kept


async def test_a_topic_that_lacks_most_of_the_directory_takes_nothing_back(plant: Any) -> None:
    """As after a loss that somebody accepted: the tables are all that is left of it."""
    await plant.tell(*(plant.person(f"p-{number}") for number in range(2 * MANY)))
    known = await plant.read_model.directory_keys()
    kept = set(sorted(known)[: MANY // 2])
    assert await missed(plant, kept, end=1000) == 0
    assert await plant.read_model.directory_keys() == known
    kept = set(sorted(known)[: len(known) - MANY - 1])
    assert await missed(plant, kept, end=1000) == MANY + 1


async def test_a_projector_that_was_away_a_backup_and_a_rebuild_agree(
    deployment: Deployment, stack: StackEnv, topic_prefix: str
) -> None:
    plant = deployment.plant
    backup = await LaggingStandby.of(plant)
    await deployment.stop()
    gone = [
        plant.holiday(date(2026, 3, 26)),
        plant.leave("p-5", date(2026, 4, 6), date(2026, 4, 8)),
        plant.roster("p-7", "night", date(2026, 3, 25), date(2026, 4, 1)),
        plant.person("p-3"),
    ]
    await deployment.take_back(*gone)
    await forget(deployment, stack, {DIRECTORY.key_of(each) for each in gone})

    async def came_back() -> dict[str, Any]:
        await plant.sql.execute("UPDATE clock SET as_of = $1", datetime.now(UTC) - KEPT)
        await deployment.start("run")
        await deployment.live_is_even()
        tables = await deployment.tables()
        await deployment.stop()
        return {name: rows for name, rows in tables.items() if name != "clock"}

    away = await came_back()
    assert [len(away[name]) for name in ("holiday", "leave")] == [0, 0]
    await backup.promote()
    assert await plant.sql.fetchval("SELECT count(*) FROM holiday") == 1
    assert await came_back() == away
    code, lines, errors = await deployment.rebuild("--compare-only")
    assert (code, lines[-1]["differences"]) == (0, []), errors


@pytest.mark.parametrize("is_filled", [False, True])
async def test_a_directory_that_was_made_again_takes_nothing_back(
    deployment: Deployment, stack: StackEnv, is_filled: bool
) -> None:
    """What such a topic does not have says nothing about the tables."""
    plant = deployment.plant
    await deployment.stop()
    before = await deployment.tables()
    await made_again(deployment.prefix + DIRECTORY.name, deployment.prefix, stack, partitions=3)
    if is_filled:
        for number in range(100):
            await deployment.publish(plant.person(f"new-{number}"), DIRECTORY)
    await plant.sql.execute("UPDATE clock SET as_of = $1", datetime.now(UTC) - KEPT)
    process = await deployment.start("run", stderr=asyncio.subprocess.PIPE)
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert b"made again under the same name" in errors
    after = await deployment.tables()
    assert after | {"clock": None} == before | {"clock": None}


async def test_a_directory_whose_records_were_deleted_takes_nothing_back(
    deployment: Deployment, stack: StackEnv
) -> None:
    plant = deployment.plant
    await deployment.stop()
    before = await plant.read_model.directory_keys()
    topic = deployment.prefix + DIRECTORY.name
    # Kafka refuses it of a compacted topic; somebody who insists changes that first.
    await configure(stack, topic, {"cleanup.policy": "delete"})
    await delete_before(stack.kafka_bootstrap_servers, topic, 0, 10)
    await configure(stack, topic, {"cleanup.policy": "compact"})
    await plant.sql.execute("UPDATE clock SET as_of = $1", datetime.now(UTC) - KEPT)
    # It stays so, and no position says that anything is lost: the projector goes on.
    await deployment.start("run")
    await deployment.publish(plant.person("new"), DIRECTORY)
    await deployment.live_is_even()
    keys = await plant.read_model.directory_keys()
    assert keys == before | {DIRECTORY.key_of(plant.person("new"))}


async def configure(stack: StackEnv, topic: str, settings: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
    await admin.close()


async def forget(deployment: Deployment, stack: StackEnv, keys: set[bytes]) -> None:
    """Wait until the topic has no record of these keys, tombstones among them."""
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    topic = deployment.prefix + DIRECTORY.name
    await configure(stack, topic, FORGETS_SOON)

    async def is_forgotten() -> bool:
        # A segment is closed, and then compacted, when something is written after it.
        await deployment.publish(deployment.plant.person("p-1"), DIRECTORY)
        return not keys & {record.key async for record in records_of(kafka, topic)}

    await eventually(is_forgotten)
