from types import SimpleNamespace
from typing import Any

import pytest

from service_kit.errors import LogLost
from service_kit.kafka.claims import Claims
from service_kit.kafka.consumer import read_record
from service_kit.kafka.records import Position, TopicPartition

NUMBERS = TopicPartition("numbers", 0)


def raws(*offsets: int) -> list[Any]:
    return [
        SimpleNamespace(
            topic="numbers", partition=0, offset=each, key=None, value=b"", headers=(), timestamp=0
        )
        for each in offsets
    ]


def begun(told: int | None) -> Claims:
    claims = Claims()
    claims.begin(NUMBERS, told)
    return claims


def read_from(claims: Claims, *offsets: int) -> list[int | None]:
    return [each.read_from for each in claims.read(NUMBERS, raws(*offsets), read_record)]


def test_a_record_knows_where_its_consumer_stood_and_not_the_offset_before_it() -> None:
    claims = begun(5)
    assert read_from(claims, 5, 6, 9) == [5, 6, 7]
    assert read_from(claims, 12) == [10]


def test_what_was_never_consumed_is_read_from_the_very_beginning() -> None:
    claims = begun(None)
    assert read_from(claims, 100, 101) == [0, 101]
    assert claims.done == {}


def test_a_log_that_begins_anew_is_lost() -> None:
    claims = begun(5)
    with pytest.raises(LogLost, match=r"numbers\[0\]@0 came where 5 or later was to come"):
        claims.read(NUMBERS, raws(0, 1), read_record)


def test_a_log_that_ends_before_what_is_done_is_lost() -> None:
    claims = begun(5)
    claims.check_ends(claims.done, {NUMBERS: 5}, is_start=True)
    with pytest.raises(LogLost, match="ends at 4, and everything before 5 was consumed"):
        claims.check_ends(claims.done, {NUMBERS: 4}, is_start=True)


def test_a_log_that_begins_after_what_comes_next_is_lost() -> None:
    claims = begun(5)
    claims.check_beginnings({NUMBERS: 5})
    with pytest.raises(LogLost, match="begins at 9, and 5 comes next: 4 records were deleted"):
        claims.check_beginnings({NUMBERS: 9})
    begun(None).check_beginnings({NUMBERS: 9})


def test_the_loss_of_many_partitions_is_told_at_once() -> None:
    claims = begun(5)
    others = [TopicPartition("numbers", each) for each in (1, 2)]
    for each in others:
        claims.begin(each, 0)
    with pytest.raises(LogLost, match=r"numbers\[0\] begins at 9.* 4 records .*, and 20 of other partitions"):
        claims.check_beginnings({NUMBERS: 9} | dict.fromkeys(others, 10))


def test_a_leader_that_does_not_know_its_end_yet_is_asked_again() -> None:
    claims = begun(5)
    claims.note_done([Position(*NUMBERS, 8)])
    claims.check_ends(claims.done, {NUMBERS: 7})
    claims.check_ends(claims.done, {NUMBERS: 8})
    claims.check_ends(claims.done, {NUMBERS: 7})
    with pytest.raises(LogLost):
        claims.check_ends(claims.done, {NUMBERS: 7})


def test_nothing_is_claimed_between_assignments() -> None:
    claims = begun(5)
    claims.clear()
    assert claims.done == {}
