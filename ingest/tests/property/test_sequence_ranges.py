from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.sequence_ranges import SequenceRanges

NUMBERS = st.lists(st.integers(1, 30), max_size=40)


def gap_free(numbers: set[int]) -> int:
    highest = 0
    while highest + 1 in numbers:
        highest += 1
    return highest


@given(NUMBERS)
def test_ranges_know_what_a_set_knows(numbers):
    ranges = SequenceRanges()
    for number in numbers:
        ranges.add(number)
    held = {number for first, last in ranges.ranges for number in range(first, last + 1)}
    assert held == set(numbers)
    assert ranges.acknowledged == gap_free(held)
    assert all(left[1] + 1 < right[0] for left, right in zip(ranges.ranges, ranges.ranges[1:], strict=False))


@given(NUMBERS, NUMBERS)
def test_order_and_repetition_change_nothing(first, second):
    forth, back = SequenceRanges(), SequenceRanges()
    for number in first + second:
        forth.add(number)
    for number in second + first + second:
        back.add(number)
    assert forth == back


def test_a_range_is_added_at_once():
    ranges = SequenceRanges()
    for first, last in ((5, 9), (1, 2), (3, 4)):
        ranges.add(first, last)
    assert ranges.ranges == [(1, 9)]


def test_what_the_topics_no_longer_keep_is_forgiven():
    ranges = SequenceRanges()
    ranges.forgive_before_first()
    assert ranges.acknowledged == 0
    ranges.add(100, 110)
    ranges.add(112)
    assert ranges.acknowledged == 0
    ranges.forgive_before_first()
    assert ranges.ranges == [(1, 110), (112, 112)]
