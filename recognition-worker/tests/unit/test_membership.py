from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from faust.types import TP

from recognition_worker.adapters.faust.faust_quick_thread import QuickThread
from recognition_worker.adapters.faust.first_positions import FirstPosition, confirmed, first_position
from recognition_worker.adapters.faust.membership import Membership
from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.observing.health import StalledError


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_worker_out_of_its_group_for_longer_than_the_limit_is_not_alive() -> None:
    clock = Clock()
    membership = Membership(timedelta(minutes=5), clock=clock)
    clock.seconds = 299
    membership.note("no partitions assigned", kafka_answers=True)
    await membership.check()
    clock.seconds = 301
    with pytest.raises(StalledError, match="no partitions assigned, for 301 s though Kafka answers"):
        await membership.check()
    membership.note(None, kafka_answers=True)
    await membership.check()


async def test_while_kafka_does_not_answer_no_time_passes() -> None:
    clock = Clock()
    membership = Membership(timedelta(minutes=5), clock=clock)
    for clock.seconds in range(0, 3600, 60):
        membership.note("not a member", kafka_answers=False)
        await membership.check()
    clock.seconds += 240
    membership.note("not a member", kafka_answers=True)
    await membership.check()


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (None, FirstPosition(10)),
        (-1, FirstPosition(10)),
        (0, FirstPosition(10, lost_count=10)),
        (9, FirstPosition(10, lost_count=1)),
        (10, FirstPosition(10)),
        (20, FirstPosition(20)),
        (21, FirstPosition(10, again=True)),
    ],
)
def test_where_a_partition_is_read_from(committed: int | None, expected: FirstPosition) -> None:
    assert first_position(committed, 10, 20) == expected


class Group:
    """Tells its positions after so many refusals."""

    def __init__(self, refusals: int) -> None:
        self.asked = 0
        self._refusals = refusals

    async def ask(self) -> dict[TopicPartition, int]:
        self.asked += 1
        if self.asked <= self._refusals:
            raise TransientFailure("kafka", "the coordinator loads the group")
        return {TopicPartition("captures", 0): 7}

    async def sleep(self, n: float) -> None:
        """Wait for nothing."""


FIRST, SECOND = TP("captures", 0), TP("captures", 1)


@pytest.mark.parametrize("refusals", [0, 3])
async def test_positions_that_a_coordinator_does_not_tell_yet_are_no_lost_ones(refusals: int) -> None:
    group = Group(refusals)
    found = await confirmed({FIRST: None, SECOND: None}, group.ask, group)  # type: ignore[arg-type]
    assert found == {FIRST: 7, SECOND: None}
    assert group.asked == refusals + 1


async def test_positions_that_are_known_are_not_asked_for_again() -> None:
    group = Group(0)
    assert await confirmed({FIRST: 0, SECOND: 3}, group.ask, group) == {FIRST: 0, SECOND: 3}  # type: ignore[arg-type]
    assert group.asked == 0


class Starting(QuickThread):
    """A thread whose consumer is made and has not started: under load, that takes a while."""

    def __init__(self) -> None:
        self.made = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:9")

    def _ensure_consumer(self) -> AIOKafkaConsumer:
        return self.made


async def test_a_membership_that_has_not_begun_has_not_failed() -> None:
    thread = Starting()
    await thread.check_coordinator()
    await thread.made.stop()
