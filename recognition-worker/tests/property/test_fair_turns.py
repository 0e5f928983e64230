"""Nothing starves, and live work waits for one batch at most, whatever waits and however long."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.adapters.fair_queue import FairQueue
from recognition_worker.domain.fair_turns import CAPTURES, MEMORY, SHARES, FairTurns, Kind, Work

MODEL_WORK = (Kind.LIVE, Kind.ENROLMENT, Kind.BACKLOG)
AGES = st.timedeltas(timedelta(seconds=-5), timedelta(days=60))
WAITING = st.dictionaries(st.sampled_from(MODEL_WORK), AGES, min_size=1)
# A memory and a patience that a history of an example can exhaust.
SHORT = 4.0
IMPATIENT = {kind: replace(share, patience=SHORT) for kind, share in SHARES.items()}
# Live: a turn of each of the others, twice. The others: until what they got in excess is made up for.
MOST_PASSED = {
    Kind.LIVE: 4,
    **{kind: ceil((SHORT + SHORT + 2) / share.least) for kind, share in SHARES.items()},
}
NOW = datetime(2026, 7, 1, tzinfo=UTC)
BATCH = 16
PHOTOS = 20.0


@given(st.lists(WAITING, max_size=300), st.sampled_from(MODEL_WORK))
def test_a_kind_that_waits_is_passed_over_so_often_at_most(
    others: list[dict[Kind, timedelta]], kind: Kind
) -> None:
    turns, passed = FairTurns(IMPATIENT, memory=SHORT), 0
    for waiting in others:
        asked = waiting | {kind: timedelta(0)}
        taken = turns.next(asked)
        turns.took(taken, asked)
        passed = 0 if taken is kind else passed + 1
        assert passed <= MOST_PASSED[kind]


@given(st.lists(WAITING, min_size=1, max_size=200))
def test_a_turn_is_never_of_a_kind_that_does_not_wait(steps: list[dict[Kind, timedelta]]) -> None:
    turns = FairTurns()
    for waiting in steps:
        taken = turns.next(waiting)
        assert taken in waiting
        turns.took(taken, waiting)


@given(
    st.lists(st.tuples(WAITING, st.integers(1, 40)), max_size=60),
    st.dictionaries(st.sampled_from(MODEL_WORK), AGES, min_size=1),
)
def test_whatever_happened_before_each_kind_gets_its_share(
    before: list[tuple[dict[Kind, timedelta], int]], waiting: dict[Kind, timedelta]
) -> None:
    turns = FairTurns()
    for earlier, cost in before:
        turns.took(turns.next(earlier), earlier, cost)
    taken = Counter[Kind]()
    for _ in range(2000):
        kind = turns.next(waiting)
        turns.took(kind, waiting)
        taken[kind] += 1
    for kind, share in SHARES.items():
        if kind in waiting:
            assert taken[kind] >= share.at(waiting[kind]) * 2000 - MEMORY - share.patience - 2
    if Kind.LIVE in waiting:
        others = sum(share.at(waiting[kind]) for kind, share in SHARES.items() if kind in waiting)
        assert taken[Kind.LIVE] >= (1 - others) * 2000 - sum(share.patience + 5 for share in SHARES.values())


def test_what_the_backlog_got_while_nobody_else_waited_counts() -> None:
    turns, old = FairTurns(), {Kind.BACKLOG: timedelta(0)}
    for _ in range(int(2 * MEMORY)):
        turns.took(turns.next(old), old)
    both = old | {Kind.LIVE: timedelta(0)}
    for _ in range(int((MEMORY + SHARES[Kind.BACKLOG].patience) / SHARES[Kind.BACKLOG].least)):
        assert turns.next(both) is Kind.LIVE
        turns.took(Kind.LIVE, both)
    taken = set[Kind]()
    for _ in range(2):
        taken.add(kind := turns.next(both))
        turns.took(kind, both)
    assert Kind.BACKLOG in taken


@given(AGES, AGES)
def test_a_share_rises_with_age_within_its_bounds(one: timedelta, other: timedelta) -> None:
    for share in SHARES.values():
        younger, older = sorted((one, other))
        assert share.least <= share.at(younger) <= share.at(older) <= share.most


@st.composite
def histories(draw: st.DrawFn) -> FairQueue[Kind]:
    """A queue at any moment of its life, over which much has gone."""
    queue: FairQueue[Kind] = FairQueue(now=lambda: NOW)
    for kind, age, pops in draw(
        st.lists(st.tuples(st.sampled_from(MODEL_WORK), AGES, st.integers(0, 3)), max_size=80)
    ):
        queue.put(Work(kind, NOW - age), kind, cost=PHOTOS if kind is Kind.ENROLMENT else 1.0)
        for _ in range(pops):
            next_turn(queue)
    return queue


def next_turn(queue: FairQueue[Kind]) -> list[Kind]:
    """Take a turn as the inference does: an enrolment, or a batch of captures."""
    first = queue.pop()
    if first is None or first is Kind.ENROLMENT:
        return [] if first is None else [first]
    more = (queue.pop(among=CAPTURES) for _ in range(BATCH - 1))
    return [first, *(kind for kind in more if kind is not None)]


@given(histories(), st.integers(1, 4), st.integers(0, 200), st.integers(0, 5), AGES)
def test_live_work_waits_for_one_enrolment_at_most_and_is_in_the_batch_that_follows(
    queue: FairQueue[Kind], live: int, backlog: int, enrolments: int, age: timedelta
) -> None:
    while queue.pop(among=(Kind.LIVE,)):
        pass
    for kind, count in ((Kind.BACKLOG, backlog), (Kind.ENROLMENT, enrolments)):
        for _ in range(count):
            queue.put(Work(kind, NOW - age), kind, cost=PHOTOS if kind is Kind.ENROLMENT else 1.0)
    for _ in range(live):
        queue.put(Work(Kind.LIVE, NOW), Kind.LIVE)
    turn = next_turn(queue)
    if turn == [Kind.ENROLMENT]:
        turn = next_turn(queue)
    assert turn.count(Kind.LIVE) == live


@given(st.integers(1, 60), st.integers(0, 10))
def test_the_backlog_has_its_share_of_the_captures_while_live_work_fills_every_batch(
    old: int, enrolments: int
) -> None:
    queue: FairQueue[Kind] = FairQueue(now=lambda: NOW)
    for kind, count in ((Kind.BACKLOG, old), (Kind.ENROLMENT, enrolments), (Kind.LIVE, 3000)):
        for _ in range(count):
            queue.put(Work(kind, NOW), kind, cost=PHOTOS if kind is Kind.ENROLMENT else 1.0)
    taken = list[Kind]()
    while taken.count(Kind.BACKLOG) < old:
        taken += next_turn(queue)
    spent = sum(PHOTOS if kind is Kind.ENROLMENT else 1.0 for kind in taken)
    share = SHARES[Kind.BACKLOG]
    assert spent <= (old + share.patience) / share.least + 2 * BATCH + PHOTOS
