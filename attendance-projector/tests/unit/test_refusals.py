"""What the database or the rules can never take is refused, and does not end the projector."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.domain.facts import RuleError
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.store.postgres_errors import naming_outages
from service_kit.errors import PoisonRecord


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError, asyncpg.CheckViolationError])
def test_a_row_that_the_tables_cannot_hold_is_poison(error: type[asyncpg.PostgresError]) -> None:
    with pytest.raises(PoisonRecord, match="refused-by-database"), naming_outages():
        raise error("duplicate key value")


class Contradicting:
    """A read model whose facts contradict each other."""

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Have room."""

    async def in_transaction(self, work: Any) -> Any:
        raise RuleError("punch 1 is given twice with different facts")


async def test_facts_that_contradict_each_other_are_poison() -> None:
    metrics = ProjectorMetrics(CollectorRegistry())
    applying = ApplyRecords(reader=None, read_model=Contradicting(), metrics=metrics)  # type: ignore[arg-type]
    with pytest.raises(PoisonRecord, match="facts-contradict") as refused:
        await applying.apply([])
    # The delivery loop tries one at a time, and so finds the record.
    assert refused.value.record is None
