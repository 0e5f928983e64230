import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.adapters.faust.tenure import PartitionProgress, Tenure

TOPIC = "captures"


def test_nothing_is_committed_before_something_is_done() -> None:
    progress = PartitionProgress()
    progress.take(0)
    assert progress.next_offset is None


def test_the_first_offset_counts_as_any_other() -> None:
    progress = PartitionProgress()
    progress.take(0)
    progress.finish(0)
    assert progress.next_offset == 1


def test_an_unfinished_record_holds_up_those_after_it() -> None:
    progress = PartitionProgress()
    for offset in (7, 8, 9):
        progress.take(offset)
    progress.finish(7)
    progress.finish(9)
    assert progress.next_offset == 8
    progress.finish(8)
    assert progress.next_offset == 10


def test_gaps_between_offsets_are_passed() -> None:
    progress = PartitionProgress()
    for offset in (100, 500, 502):
        progress.take(offset)
        progress.finish(offset)
    assert progress.next_offset == 503


def test_reading_an_earlier_offset_again_starts_over_there() -> None:
    progress = PartitionProgress()
    for offset in (1, 2, 3):
        progress.take(offset)
    progress.finish(3)
    progress.take(2)
    progress.finish(1)
    assert progress.next_offset == 2
    assert progress.unfinished_count == 1


@given(
    gaps=st.lists(st.integers(1, 5), min_size=1, max_size=40),
    first=st.integers(0, 1000),
    data=st.data(),
)
def test_the_commit_is_the_first_record_not_done(gaps: list[int], first: int, data: st.DataObject) -> None:
    offsets = [first + sum(gaps[:at]) for at in range(len(gaps))]
    progress = PartitionProgress()
    for offset in offsets:
        progress.take(offset)
    done: set[int] = set()
    for offset in data.draw(st.permutations(offsets)):
        progress.finish(offset)
        done.add(offset)
        waiting = [other for other in offsets if other not in done]
        before = [other for other in offsets if not waiting or other < waiting[0]]
        assert progress.next_offset == (before[-1] + 1 if before else None)
        assert progress.unfinished_count == len(waiting)
        assert progress.uncommittable_count == len([o for o in offsets if waiting and o >= waiting[0]])


def test_partitions_are_apart() -> None:
    tenure = Tenure([(TOPIC, 0), (TOPIC, 1), ("other", 0)])
    tenure.take(TOPIC, 0, 5)
    tenure.take(TOPIC, 1, 5)
    tenure.take("other", 0, 5)
    tenure.finish(TOPIC, 1, 5)
    assert tenure.next_offset(TOPIC, 0) is None
    assert tenure.next_offset(TOPIC, 1) == 6
    assert tenure.next_offset("never", 9) is None
    assert (tenure.unfinished_count(TOPIC), tenure.unfinished_count("other")) == (1, 1)


async def test_idle_waits_for_work_in_hand() -> None:
    tenure = Tenure()
    assert await tenure.idle(timedelta(0))
    with tenure.working():
        with tenure.working():
            pass
        assert not await tenure.idle(timedelta(0))
        waiting = asyncio.create_task(tenure.idle(timedelta(seconds=5)))
        await asyncio.sleep(0)
    assert await waiting
