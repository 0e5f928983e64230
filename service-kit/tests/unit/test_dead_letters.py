from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_testing.in_memory_broker import FakeBroker, FakeProducer
from service_kit.dead_letters.letters import (
    CUT_BYTES,
    MOST_BYTES,
    MOST_ERROR_BYTES,
    OTHERS_PASS,
    DeadLetters,
    Origin,
    dead_letter_headers,
    original_headers,
    read_origin,
)
from service_kit.dead_letters.limit import DeadLetterLimit
from service_kit.errors import DeadLetterLimitExceeded, DeadLetterRefused, PoisonRecord, TransientFailure
from service_kit.kafka.records import OutgoingRecord, Position, Record

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


def of_sender(number: int) -> Record:
    return record(key=b"sender %d" % number)


def bury(limit: DeadLetterLimit, *senders: int) -> None:
    for each in senders:
        limit.check(of_sender(each))
        limit.poisoned(of_sender(each))


def test_one_sender_never_ends_a_consumer_however_much_of_its_poison_comes() -> None:
    limit = DeadLetterLimit()
    bury(limit, *[1] * 10_000)


def test_few_senders_never_end_a_consumer() -> None:
    limit = DeadLetterLimit(senders=5)
    bury(limit, *[1, 2, 3, 4] * 1000)
    with pytest.raises(DeadLetterLimitExceeded, match="5 of 5 senders"):
        limit.check(of_sender(5))


def test_senders_whose_records_are_handled_outweigh_those_of_poison() -> None:
    limit = DeadLetterLimit(senders=3, ratio=0.5, window=10)
    limit.handled([of_sender(each) for each in range(100, 103)])
    bury(limit, 1, 2, 3)
    with pytest.raises(DeadLetterLimitExceeded, match="4 of 7 senders"):
        limit.check(of_sender(4))
    limit.handled([of_sender(1)])
    bury(limit, 4)


def test_what_was_handled_long_ago_does_not_excuse_a_bad_release() -> None:
    limit = DeadLetterLimit(senders=5, ratio=0.5, window=100)
    limit.handled([of_sender(each) for each in range(1000, 11_000)])
    with pytest.raises(DeadLetterLimitExceeded, match="51 of 100 senders"):
        bury(limit, *range(100))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=300))
def test_fewer_senders_than_the_limit_never_stop(endings: list[tuple[bool, int]]) -> None:
    limit = DeadLetterLimit(senders=5)
    for is_poison, sender in endings:
        if is_poison:
            bury(limit, sender)
        else:
            limit.handled([of_sender(sender)])


async def test_a_restart_does_not_begin_to_count_anew() -> None:
    broker = FakeBroker()

    async def earlier(topic: str) -> list[bytes | None]:
        return list(dict.fromkeys(each.key for each in broker.records(topic)))

    buried = 0
    for start in range(10):
        letters = DeadLetters(FakeProducer(broker), service="s", version="v", earlier=earlier)
        with pytest.raises(DeadLetterLimitExceeded):
            for number in range(20):
                await letters.put(of_sender(20 * start + number), PoisonRecord("undecodable"))
        buried = len(broker.records("numbers.dlq"))
    assert buried == 9


async def test_what_is_the_records_own_fault_says_nothing_about_the_release() -> None:
    """However many send it: all devices of a hostile organisation together end nothing."""
    broker = FakeBroker()
    letters = DeadLetters(FakeProducer(broker), service="s", version="v")
    for number in range(300):
        await letters.put(of_sender(number), PoisonRecord("undecodable", others_pass=True))
    written = broker.records("numbers.dlq")
    assert len(written) == 300
    assert (OTHERS_PASS, b"yes") in written[0].headers
    assert original_headers(written[0].headers) == (("traceparent", b"00-1"),)
    with pytest.raises(DeadLetterLimitExceeded, match="10 of 10 senders"):
        for number in range(20):
            await letters.put(of_sender(number), PoisonRecord("undecodable"))


async def test_dead_letters_that_are_read_excuse_no_sender() -> None:
    """As by a consumer that tells people of them, and so reads its own, too, each before the next one."""
    broker = FakeBroker()
    letters = DeadLetters(FakeProducer(broker), service="s", version="v")
    with pytest.raises(DeadLetterLimitExceeded):
        for number in range(20):
            await letters.put(of_sender(number), PoisonRecord("undecodable"))
            letters.handled([record(topic="numbers.dlq", key=of_sender(number).key)])
    assert len(broker.records("numbers.dlq")) == 9


def test_what_is_recalled_gives_way_to_what_happened_since() -> None:
    limit = DeadLetterLimit(senders=5)
    limit.handled([of_sender(each) for each in range(6)])
    limit.recall([b"sender 1", *(b"earlier %d" % each for each in range(5))])
    with pytest.raises(DeadLetterLimitExceeded, match="6 of 11 senders"):
        bury(limit, 1)
    limit.handled([of_sender(7)])
    bury(limit, 1)


async def test_a_record_of_the_greatest_size_fits_into_the_dead_letters() -> None:
    broker = FakeBroker()
    sizes = SizedProducer(broker, most=MOST_BYTES)
    letters = DeadLetters(sizes, service="s", version="v", now=lambda: AT)
    junk = record(value=b"x" * 1_048_400, headers=(("h", b"y" * 100),))
    await letters.put(junk, PoisonRecord("undecodable", "z" * 1_000_000))

    [letter] = broker.records("numbers.dlq")
    assert letter.value == junk.value
    assert len(read_origin(letter.headers).error) == MOST_ERROR_BYTES


async def test_a_dead_letter_too_large_for_its_topic_is_cut_and_says_so() -> None:
    broker = FakeBroker()
    letters = DeadLetters(SizedProducer(broker, most=1_048_576), service="s", version="v")
    value = b"x" * 1_048_400
    await letters.put(record(value=value, headers=()), PoisonRecord("undecodable"))

    [letter] = broker.records("numbers.dlq")
    assert letter.value == value[:CUT_BYTES]
    headers = dict(letter.headers)
    assert headers["dlq-original-bytes"] == b"1048400"
    assert headers["dlq-original-sha256"] == sha256(value).hexdigest().encode()
    assert read_origin(letter.headers).offset == 7


async def test_a_topic_that_takes_nothing_is_a_clear_stop() -> None:
    letters = DeadLetters(SizedProducer(FakeBroker(), most=10), service="s", version="v")
    with pytest.raises(DeadLetterRefused, match=r"numbers\[2\]@7, which is not done.*numbers.dlq"):
        await letters.put(record(), PoisonRecord("undecodable"))


class SizedProducer(FakeProducer):
    """Refuses what is too large, as a broker does."""

    def __init__(self, broker: FakeBroker, *, most: int) -> None:
        super().__init__(broker)
        self._most = most

    async def send(self, record: OutgoingRecord) -> Position:
        size = len(record.key or b"") + len(record.value or b"")
        size += sum(len(name) + len(value) for name, value in record.headers) + 100
        if size > self._most:
            raise PoisonRecord("record-too-large", f"{size} bytes")
        return await super().send(record)


async def test_an_outage_of_the_dead_letters_does_not_count_as_poison() -> None:
    broker = FakeBroker()
    broker.away = True
    letters = DeadLetters(FakeProducer(broker), service="s", version="v", limit=DeadLetterLimit(senders=2))
    for number in range(20):
        with pytest.raises(TransientFailure):
            await letters.put(of_sender(number), PoisonRecord("undecodable"))
    broker.away = False
    await letters.put(record(), PoisonRecord("undecodable"))


async def test_an_outage_while_earlier_dead_letters_are_read_is_waited_for() -> None:
    answers: list[list[bytes | None] | TransientFailure] = [TransientFailure("kafka"), [b"sender 1"]]

    async def earlier(topic: str) -> list[bytes | None]:
        answer = answers.pop(0)
        if isinstance(answer, TransientFailure):
            raise answer
        return answer

    limit = DeadLetterLimit(senders=2)
    broker = FakeBroker()
    letters = DeadLetters(FakeProducer(broker), service="s", version="v", limit=limit, earlier=earlier)
    with pytest.raises(TransientFailure):
        await letters.put(of_sender(2), PoisonRecord("undecodable"))
    with pytest.raises(DeadLetterLimitExceeded):
        await letters.put(of_sender(2), PoisonRecord("undecodable"))
    assert not broker.records("numbers.dlq")


def test_nonsense_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        DeadLetterLimit(senders=200, window=100)
