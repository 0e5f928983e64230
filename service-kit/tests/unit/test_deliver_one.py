import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from attendance_testing.in_memory_broker import FakeBroker, FakeProducer
from service_kit.backoff import Backoff
from service_kit.dead_letters.letters import DeadLetters, read_origin
from service_kit.dead_letters.limit import DeadLetterLimit
from service_kit.kafka.delivery import (
    DeadLetterLimitExceeded,
    DeliveryStopped,
    Outcome,
    Passes,
    PoisonRecord,
    TransientFailure,
    deliver_one,
)
from service_kit.kafka.records import Record

RECORD = Record("numbers", 0, 3, b"k", b"v", (), datetime(2026, 1, 1, tzinfo=UTC))
QUICK = timedelta(microseconds=1)


class Failing:
    """Fails a number of times with an error, then handles."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times = times
        self.error = error
        self.tries = 0

    async def __call__(self, record: Record) -> None:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error


class Fixture:
    def __init__(self) -> None:
        self.broker = FakeBroker()
        self.letters = DeadLetters(
            FakeProducer(self.broker), service="s", version="v", limit=DeadLetterLimit(senders=2)
        )
        self.stopping = asyncio.Event()
        self.backoff = Backoff(QUICK, QUICK)


AWAY = TransientFailure("object-store", "refused")


async def test_a_value_is_handled_once() -> None:
    f = Fixture()
    handle = Failing(0, AWAY)
    assert await deliver_one(RECORD, handle, f.letters, f.backoff, f.stopping) is Outcome.HANDLED
    assert handle.tries == 1


async def test_an_outage_is_waited_out_however_long() -> None:
    f = Fixture()
    handle = Failing(200, AWAY)
    outcome = await deliver_one(RECORD, handle, f.letters, f.backoff, f.stopping, passes=Passes())
    assert (outcome, handle.tries) == (Outcome.HANDLED, 201)


async def test_a_wait_for_somebody_elses_lock_is_never_counted_as_failing_alone() -> None:
    f = Fixture()
    handle = Failing(200, TransientFailure("postgresql", "lock timeout", is_contention=True))

    async def others_pass() -> bool:
        return True

    outcome = await deliver_one(
        RECORD, handle, f.letters, f.backoff, f.stopping, dependencies_pass=others_pass
    )
    assert (outcome, handle.tries) == (Outcome.HANDLED, 201)


async def test_poison_is_dead_lettered_and_the_limit_stops() -> None:
    f = Fixture()
    handle = Failing(9, PoisonRecord("undecodable"))
    assert await deliver_one(RECORD, handle, f.letters, f.backoff, f.stopping) is Outcome.DEAD_LETTERED
    with pytest.raises(DeadLetterLimitExceeded):
        await deliver_one(replace(RECORD, key=b"other"), handle, f.letters, f.backoff, f.stopping)
    assert len(f.broker.records("numbers.dlq")) == 1


async def test_a_record_that_fails_while_others_pass_is_poison_after_five_tries() -> None:
    f = Fixture()
    passes = Passes()

    class FailsAlone(Failing):
        async def __call__(self, record: Record) -> None:
            passes.count += 1  # another task's record
            await super().__call__(record)

    handle = FailsAlone(99, AWAY)
    outcome = await deliver_one(RECORD, handle, f.letters, f.backoff, f.stopping, passes=passes)
    assert (outcome, handle.tries) == (Outcome.DEAD_LETTERED, 5)
    origin = read_origin(f.broker.records("numbers.dlq")[0].headers)
    assert (origin.reason, origin.attempts) == ("fails-alone", 5)


async def test_the_dependencies_themselves_are_the_better_judge() -> None:
    f = Fixture()
    answers = [False, True, True, False, TransientFailure("object-store"), True, True, True, True]

    async def dependencies_pass() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, TransientFailure):
            raise answer
        return bool(answer)

    handle = Failing(99, AWAY)
    outcome = await deliver_one(
        RECORD, handle, f.letters, f.backoff, f.stopping, dependencies_pass=dependencies_pass
    )
    assert (outcome, handle.tries, answers) == (Outcome.DEAD_LETTERED, 10, [])


async def test_stopping_leaves_the_record_undone() -> None:
    f = Fixture()
    f.stopping.set()
    with pytest.raises(DeliveryStopped, match="refused"):
        await deliver_one(RECORD, Failing(9, AWAY), f.letters, f.backoff, f.stopping)


async def test_dead_letters_that_are_away_are_waited_for() -> None:
    f = Fixture()
    f.broker.away = True

    class Repairs(Failing):
        async def __call__(self, record: Record) -> None:
            f.broker.away = self.tries < 20
            await super().__call__(record)

    handle = Repairs(99, PoisonRecord("undecodable"))
    assert await deliver_one(RECORD, handle, f.letters, f.backoff, f.stopping) is Outcome.DEAD_LETTERED
    assert len(f.broker.records("numbers.dlq")) == 1


async def test_a_bug_goes_through() -> None:
    f = Fixture()
    with pytest.raises(ZeroDivisionError):
        await deliver_one(RECORD, Failing(1, ZeroDivisionError()), f.letters, f.backoff, f.stopping)
