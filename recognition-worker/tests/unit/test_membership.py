from datetime import timedelta

import pytest

from recognition_worker.adapters.faust.first_positions import FirstPosition, first_position
from recognition_worker.adapters.faust.membership import Membership
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
