"""What a file of a plan may say: nothing that no plan ever says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from attendance_ops.errors import OpsError
from attendance_ops.log.provenance import MOST_ATTEMPTS, attempts_of
from attendance_ops.replay.plan import Bar, Plan, PlannedSpan, _histogram, read_plan, write_plan
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, DIRECTORY, MATCHES

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
PLAN = Plan(
    plan_id=uuid4(),
    made_at=AT,
    made_by="meera",
    topic=MATCHES.name,
    topic_id=uuid4(),
    cluster_id="c",
    target=MATCHES.name,
    is_side_topic=False,
    spans=(PlannedSpan(partition=0, first=3, end=9),),
    count=4,
    looked_at=6,
    bytes=100,
    first_at=AT,
    last_at=AT,
    senders=1,
    histogram=(Bar(since=AT, count=4),),
)


def changed(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(write_plan(PLAN)) | changes)


def test_a_plan_is_read_back_as_it_was() -> None:
    assert read_plan(write_plan(PLAN)) == PLAN
    captures = changed(topic=CAPTURES.name, target=CAPTURES_BACKLOG.name)
    assert read_plan(captures).target == CAPTURES_BACKLOG.name
    assert read_plan(changed(is_side_topic=True, target="replay-hour")).target == "replay-hour"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"count": 3}, "do not add up"),
        ({"count": 0, "histogram": []}, ">= 1"),
        ({"count": 2**70}, "do not add up"),
        ({"looked_at": 1}, "do not add up"),
        ({"histogram": []}, "do not add up"),
        ({"histogram": [{"since": "0001-01-01T00:00:00Z", "count": 4}]}, "out of range"),
        ({"first_at": "9999-12-31T23:59:59-12:00"}, "out of range"),
        ({"first_at": "2026-11-30T08:00:00"}, "no plan"),
        ({"first_at": None}, "no plan"),
        ({"made_at": "9999-12-31T00:00:00Z"}, "out of range"),
        ({"spans": []}, "each partition once"),
        ({"spans": [{"partition": 0, "first": 0, "end": 2}] * 2}, "each partition once"),
        ({"spans": [{"partition": 0, "first": 5, "end": 5}]}, "begin before its end"),
        ({"spans": [{"partition": -1, "first": 5, "end": 6}]}, "no plan"),
        ({"spans": [{"partition": 0, "first": -5, "end": 6}]}, "no plan"),
        ({"target": CAPTURES.name}, "goes to attendance.matches"),
        ({"target": DIRECTORY.name}, "goes to attendance.matches"),
        ({"target": "of-mine"}, "goes to attendance.matches"),
        ({"target": DIRECTORY.name, "is_side_topic": True}, "cannot be one of ours"),
        ({"topic": DIRECTORY.name, "target": DIRECTORY.name}, "bring back what was replaced"),
        ({"topic": "attendance.nothing", "target": "attendance.nothing"}, "there is no topic"),
        ({"topic": f"{MATCHES.name}.dlq"}, "dlq redrive"),
        ({"where": {"device_id": 7}}, "no plan"),
        ({"colour": "red"}, "no plan"),
    ],
)
def test_what_no_plan_says_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(OpsError, match=told):
        read_plan(changed(**changes))


@pytest.mark.parametrize("seconds", [0, 0.4, 1, 5, 86_400])
def test_bars_are_of_different_seconds_and_count_everything(seconds: float) -> None:
    times = [AT + timedelta(seconds=seconds) * number / 100 for number in range(101)]
    bars = _histogram(times)
    assert sum(bar.count for bar in bars) == len(times)
    assert len({bar.since.replace(microsecond=0) for bar in bars}) == len(bars)


@pytest.mark.parametrize("text", [b"9" * 5000, b"3", b"12345678901"])
def test_a_count_of_attempts_that_is_too_long_is_too_many(text: bytes) -> None:
    assert attempts_of((("replay-attempt", text),)) >= MOST_ATTEMPTS


@pytest.mark.parametrize("text", [b"", b"x", b"-1", b"\xff", "\u0663".encode()])
def test_what_is_no_count_of_attempts_is_none(text: bytes) -> None:
    assert attempts_of((("replay-attempt", text),)) == 0
