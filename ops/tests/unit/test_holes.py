from hypothesis import given
from hypothesis import strategies as st

from attendance_ops.reconcile.holes import holes_of

NUMBERS = st.sets(st.integers(1, 60), min_size=1)
SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=5)


def missing(numbers, *, from_first: bool) -> set[int]:
    return {
        number
        for (first, last), _ in holes_of(numbers, from_first=from_first)
        for number in range(first, last + 1)
    }


@given(NUMBERS, SPANS)
def test_holes_are_what_is_between_the_numbers_that_came(
    came: set[int], spans: list[tuple[int, int]]
) -> None:
    rows = [(number, number, True, 0) for number in came]
    rows += [(first, first + length, False, None) for first, length in spans]
    known = came.union(*(range(first, first + length + 1) for first, length in spans))
    last = max(came)
    # What is missing before a number that nobody saw in this time is another time's.
    expected = {
        number
        for number in range(1, last)
        if number not in known and min(each for each in known if each > number) in came
    }
    assert missing(sorted(rows), from_first=True) == expected
    after_first = {number for number in expected if number > min(known)}
    assert missing(sorted(rows), from_first=False) == after_first


def test_a_counter_that_jumps_far_is_one_hole() -> None:
    rows = [(1, 1, True, 5), (2**53 - 1, 2**53 - 1, True, 7)]
    assert list(holes_of(rows, from_first=False)) == [((2, 2**53 - 2), 7)]
