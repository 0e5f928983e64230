"""Drop the months that are not kept any more.

1. move     what is kept, in one transaction: from then on nothing is written into older months
2. detach   each of them, one by one, oldest first; readers go on
3. drop     what is detached, or put it aside

Killed between any two steps, the same command goes on: a month that is detached and still there is dropped.
"""

from dataclasses import dataclass, field
from datetime import date

from attendance_projector.domain.retention import KeptMonths, Retention, retention_of
from attendance_projector.retention.ports import Month, MonthlyTables


@dataclass(slots=True)
class Dropped:
    """What was done, or would be: the months, oldest first, and what is kept afterwards.

    open_from: the first date that payroll has not closed; None where none is ever closed.
    """

    retention: Retention
    open_from: date | None = None
    months: list[Month] = field(default_factory=list)
    forgotten_punches: int = 0
    is_dry_run: bool = False
    archived_to: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        kept = self.retention
        return {
            "dry_run": self.is_dry_run,
            "archived_to": self.archived_to,
            "captures_from": _text(kept.captures_from),
            "punches_from": _text(kept.punches_from),
            "days_from": _text(kept.days_from),
            "facts_from": _text(kept.facts_from),
            "open_from": _text(self.open_from),
            "forgotten_punches": self.forgotten_punches,
            "months": [
                {
                    "table": each.parent,
                    "month": f"{each.month:%Y-%m}",
                    "rows": each.row_estimate,
                    "bytes": each.bytes,
                }
                for each in self.months
            ],
        }


def _text(on: date | None) -> str | None:
    return None if on is None else on.isoformat()


async def drop_months(
    tables: MonthlyTables,
    keep: KeptMonths,
    today: date,
    *,
    dry_run: bool = False,
    keep_detached: bool = False,
) -> Dropped:
    """Keep so many months before today's, and no older ones; return what was dropped."""
    kept = await tables.retention()
    result = Dropped(kept, is_dry_run=dry_run, archived_to=tables.archive_name if keep_detached else None)

    async def still_wanted() -> Retention:
        """Look again at what can hold it back, and at no more: everybody waits."""
        now = await tables.open_from(kept.final_before, result.retention.closed_before)
        if now is not None and (result.open_from is None or now < result.open_from):
            result.open_from = now
        return retention_of(today, keep, kept, result.open_from)

    result.open_from = await tables.open_from(kept.final_before)
    result.retention = retention_of(today, keep, kept, result.open_from)
    if not dry_run and result.retention != kept:
        result.retention, result.forgotten_punches = await tables.move(still_wanted)
    for month in await tables.months(result.retention):
        if not dry_run:
            await tables.detach(month)
            await (tables.archive(month) if keep_detached else tables.drop(month))
        result.months.append(month)
    return result
