"""What the database or the rules can never take is refused, and does not end the projector."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.domain.facts import RuleError
from attendance_projector.errors import Unstorable
from attendance_projector.projection.apply_batch import Applied
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.refusals import Reason, Refusals, unstorable_text
from attendance_projector.projection.stored import EventOrTombstone, Tombstone
from attendance_projector.store.postgres_errors import naming_outages
from attendance_schemas.events import PeriodSealed, PunchAdded
from attendance_schemas.golden import golden_examples
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import Record

((_, FACT, _),) = golden_examples(PunchAdded)
SEALED = next(event for _, event, _ in golden_examples(PeriodSealed))


def said(error: type[asyncpg.PostgresError], text: str, constraint: str | None) -> asyncpg.PostgresError:
    """Return an error as the server sends it."""
    made = error(text)
    made.constraint_name = constraint
    return made


@pytest.mark.parametrize(
    "error",
    [
        said(asyncpg.UniqueViolationError, "duplicate key value", "punch_pkey"),
        said(asyncpg.CheckViolationError, "violates check constraint", "punch_has_one_place"),
    ],
)
def test_a_row_that_the_tables_cannot_hold_is_poison(error: asyncpg.PostgresError) -> None:
    with pytest.raises(PoisonRecord, match="unstorable"), naming_outages():
        raise error


@pytest.mark.parametrize("words", ["no partition of relation", "keine Partition von Relation"])
def test_a_missing_month_is_waited_for_in_every_language(words: str) -> None:
    with pytest.raises(TransientFailure, match="a month is missing"), naming_outages():
        raise said(asyncpg.CheckViolationError, f'{words} "punch"', None)


class Contradicting:
    """A read model in which facts contradict each other, until the one that does is left out."""

    def __init__(self) -> None:
        self.attempts = 0

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Have room."""

    async def in_transaction(self, work: Any) -> Applied:
        self.attempts += 1
        if self.attempts == 1:
            raise RuleError("punch 1 is given twice with different facts")
        refusals = Refusals()
        refusals.refuse(FACT, Reason("facts-contradict", "as the work is told"))
        return Applied(refusals=refusals)


class Reader:
    """A reader of one event."""

    async def read(self, record: Record) -> EventOrTombstone:
        return FACT if record.key is None else SEALED


def record(key: bytes | None = None) -> Record:
    return Record("t", 0, 0, key, b"x", (), datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize("records", [[record(), record()], []])
async def test_facts_that_contradict_each_other_are_tried_one_at_a_time(records: list[Record]) -> None:
    applying = ApplyRecords(Reader(), Contradicting(), ProjectorMetrics(CollectorRegistry()))  # type: ignore[arg-type]
    with pytest.raises(PoisonRecord, match="facts-contradict") as refused:
        await applying.apply(records)
    # The delivery loop tries one at a time, and so finds the record.
    assert refused.value.record is None


async def test_text_and_a_contradiction_in_one_batch_are_tried_one_at_a_time() -> None:
    """Found one after the other: what is found second must not end the projector either."""

    class BothInOneBatch(Contradicting):
        async def in_transaction(self, work: Any) -> Applied:
            self.attempts += 1
            if self.attempts == 1:
                raise Unstorable("invalid byte sequence for encoding UTF8: 0x00")
            raise RuleError("punch 1 is given twice with different facts")

    class Nul(Reader):
        async def read(self, record: Record) -> EventOrTombstone:
            return msgspec.structs.replace(FACT, reason="nul \x00") if record.key else FACT

    applying = ApplyRecords(Nul(), BothInOneBatch(), ProjectorMetrics(CollectorRegistry()))  # type: ignore[arg-type]
    with pytest.raises(PoisonRecord, match="facts-contradict") as refused:
        await applying.apply([record(b"nul"), record()])
    assert refused.value.record is None


@pytest.mark.parametrize("key", [None, b"sealed"])
async def test_what_contradicts_facts_is_refused_alone_and_counted(key: bytes | None) -> None:
    registry, read_model = CollectorRegistry(), Contradicting()
    await ApplyRecords(Reader(), read_model, ProjectorMetrics(registry)).apply([record(key)])  # type: ignore[arg-type]
    assert read_model.attempts == 2
    counted = registry.get_sample_value("attendance_projector_refused_total", {"reason": "facts-contradict"})
    assert counted == 1


def test_a_tombstone_is_refused_by_its_key() -> None:
    tombstone = Tombstone("HolidayRecorded", {"org_id": "org", "holiday_id": "h"}, b"org:holiday:h")
    refusals = Refusals()
    refusals.refuse_tombstone(tombstone, Reason("facts-contradict", "nul \x00"), FACT.recorded_at)
    (row,) = refusals.rows
    assert (row.org_id, row.kind, row.fact_id) == ("org", "HolidayRecorded", "org:holiday:h")
    assert row.detail == "nul \N{SYMBOL FOR NULL}"
    assert refusals.reasons == {"facts-contradict": 1}


def test_text_that_no_table_can_hold_is_found_wherever_it_is() -> None:
    assert unstorable_text(FACT) is None
    authority = msgspec.structs.replace(FACT.authority, subject="nul \x00", sites=("a", "\x00"))
    for changes in ({"org_id": "\x00"}, {"authority": authority}):
        (name,) = changes
        reason = unstorable_text(msgspec.structs.replace(FACT, **changes))
        assert reason is not None
        assert name in reason.detail
        assert "\x00" not in reason.detail
