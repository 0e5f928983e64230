from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service_kit.backoff import Backoff
from service_kit.errors import PoisonRecord
from service_kit.kafka.in_hand import InHand
from service_kit.kafka.records import Record


def hand(count: int = 3) -> InHand:
    records = [Record("t", 0, n, None, b"", (), datetime(2026, 1, 1, tzinfo=UTC)) for n in range(count)]
    return InHand(records, 1, Backoff(timedelta(seconds=1), timedelta(seconds=8)))


@given(st.lists(st.booleans(), max_size=40))
def test_alone_needs_five_failures_with_others_passing_between_each(evidence: list[bool]) -> None:
    in_hand = hand()
    in_hand.failed(in_hand.records[0])
    run = 1
    for others_pass in evidence:
        in_hand.others_pass = others_pass
        in_hand.failed(in_hand.records[0])
        run = run + 1 if others_pass else 1
        assert in_hand.fails_alone == (run >= 5)


def test_another_record_starts_its_own_count() -> None:
    in_hand = hand()
    for _ in range(4):
        in_hand.others_pass = True
        in_hand.failed(in_hand.records[0])
    in_hand.finish(in_hand.records[0])
    in_hand.others_pass = True
    in_hand.failed(in_hand.records[0])
    assert (in_hand.failures, in_hand.alone) == (1, 1)


def test_after_some_tries_together_comes_one_by_one() -> None:
    in_hand = hand()
    for number in range(5):
        assert not in_hand.one_by_one
        in_hand.postpone(float(number))
        assert number <= in_hand.due <= number + 8
    assert in_hand.one_by_one


def test_what_comes_before_poison_is_given_first() -> None:
    in_hand = hand(4)
    in_hand.poison[2] = PoisonRecord("bad")
    assert [record.offset for record in in_hand.before_poison()] == [0, 1]
    for record in in_hand.before_poison():
        in_hand.finish(record)
    in_hand.finish(in_hand.records[0])
    assert [record.offset for record in in_hand.before_poison()] == [3]
