from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_testing.in_memory_broker import FakeBroker, FakeProducer
from service_kit.errors import DeadLetterLimitExceeded, PoisonRecord, TransientFailure
from service_kit.kafka.dead_letters import (
    DeadLetterLimit,
    DeadLetters,
    Origin,
    dead_letter_headers,
    original_headers,
    read_origin,
)
from service_kit.kafka.records import Record

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def record(offset: int = 7, **changes: object) -> Record:
    fields: dict[str, object] = {
        "topic": "numbers",
        "partition": 2,
        "offset": offset,
        "key": b"k",
        "value": b"\xff\x00",
        "headers": (("traceparent", b"00-1"), ("dlq-reason", b"an earlier one")),
        "timestamp": AT,
    }
    return Record(**(fields | changes))  # type: ignore[arg-type]


text = st.text(st.characters(exclude_categories=["Cs"]))
header = st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.binary())


@given(
    origin=st.builds(
        Origin,
        reason=text,
        error=text,
        attempts=st.integers(1),
        topic=text,
        partition=st.integers(0),
        offset=st.integers(0),
        service=text,
        version=text,
        at=st.datetimes(timezones=st.just(UTC)),
    ),
    headers=st.lists(header.filter(lambda h: not h[0].startswith("dlq-"))).map(tuple),
)
def test_an_origin_round_trips_through_headers_beside_any_others(
    origin: Origin, headers: tuple[tuple[str, bytes], ...]
) -> None:
    written = headers + dead_letter_headers(origin)
    assert read_origin(written) == origin
    assert original_headers(written) == headers


async def test_a_dead_letter_keeps_the_record_and_names_its_latest_origin() -> None:
    broker = FakeBroker()
    letters = DeadLetters(FakeProducer(broker), service="s", version="v", now=lambda: AT)
    await letters.put(record(), PoisonRecord("undecodable", "byte 0"), attempts=3)

    [letter] = broker.records("numbers.dlq")
    assert (letter.key, letter.value) == (b"k", b"\xff\x00")
    assert original_headers(letter.headers) == (("traceparent", b"00-1"),)
    assert read_origin(letter.headers) == Origin(
        "undecodable", "undecodable: byte 0", 3, "numbers", 2, 7, "s", "v", AT
    )


async def test_a_record_of_nothing_at_all_can_be_a_dead_letter() -> None:
    broker = FakeBroker()
    letters = DeadLetters(FakeProducer(broker), service="s", version="v")
    await letters.put(record(key=None, value=None), PoisonRecord("empty"))
    assert broker.records("numbers.dlq")[0].value == b""


def test_no_origin_in_ordinary_headers() -> None:
    with pytest.raises(KeyError):
        read_origin((("traceparent", b""),))


def test_a_run_of_poison_stops() -> None:
    limit = DeadLetterLimit(run=3, window=100, minimum=100)
    for _ in range(2):
        limit.check(record())
        limit.poisoned()
    with pytest.raises(DeadLetterLimitExceeded, match="3 records in a row"):
        limit.check(record())
    limit.handled()
    limit.check(record())


def test_a_share_of_poison_stops_once_enough_was_seen() -> None:
    limit = DeadLetterLimit(ratio=0.5, window=10, minimum=6, run=100)
    for _ in range(2):
        limit.handled()
        limit.check(record())
        limit.poisoned()
    limit.check(record())
    limit.poisoned()  # 3 of 5, too few to judge
    with pytest.raises(DeadLetterLimitExceeded, match="4 of the last 6"):
        limit.check(record())
    limit.handled(1000)  # old poison is forgotten
    for _ in range(4):
        limit.check(record())
        limit.poisoned()


@given(st.lists(st.booleans(), max_size=300))
def test_at_most_half_poison_never_stops_and_all_poison_does(outcomes: list[bool]) -> None:
    limit = DeadLetterLimit(ratio=0.5, window=100, minimum=20, run=50)
    for poison in outcomes:
        if not poison:
            limit.handled()
            continue
        limit.handled()  # one good for each bad
        limit.check(record())
        limit.poisoned()


async def test_an_outage_of_the_dead_letters_does_not_count_as_poison() -> None:
    broker = FakeBroker()
    broker.away = True
    letters = DeadLetters(
        FakeProducer(broker), service="s", version="v", limit=DeadLetterLimit(run=3, window=100, minimum=100)
    )
    for _ in range(20):
        with pytest.raises(TransientFailure):
            await letters.put(record(), PoisonRecord("undecodable"))
    broker.away = False
    await letters.put(record(), PoisonRecord("undecodable"))


def test_nonsense_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        DeadLetterLimit(minimum=200, window=100)
