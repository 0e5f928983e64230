"""How a rebuild puts off the days: keep every accepted punch, and compute once all facts are there.

Computed as the facts arrive, a day of four punches would be computed four times, and every change of a roster
or shift would compute months again. Once all facts are there, their order is nothing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date

from attendance_projector.domain.touched import DateSpan
from attendance_projector.projection.days.compute_days import WAITING
from attendance_projector.projection.days.recompute_days import Write, recompute_days
from attendance_projector.projection.days.stale_dates import Change, PersonChanged
from attendance_projector.projection.periods.rebook_final import final_part, rebook_final
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import AcceptedPunch, PersonDates, PersonKey

ComputeDays = Callable[[Transaction, Sequence[PersonKey], Sequence[AcceptedPunch]], Awaitable[int]]


async def keep_for_later(
    transaction: Transaction,
    _changes: Mapping[PersonKey, Sequence[Change]],
    added: Sequence[AcceptedPunch],
    write: Write,
) -> int:
    """Store the added punches without a place. What changed does not matter: every day will be computed."""
    await write()
    await transaction.captures.store_punches([(each, WAITING) for each in added])
    return 0


async def compute_days(
    transaction: Transaction, people: Sequence[PersonKey], punches: Sequence[AcceptedPunch]
) -> int:
    """Compute all days of these people from all their facts; return how many."""
    changes: dict[PersonKey, Sequence[Change]] = {each: [PersonChanged()] for each in people}
    count = await recompute_days(transaction, changes, punches)
    await _rebook_final(transaction, people)
    return count


async def let_days_wait(
    transaction: Transaction, people: Sequence[PersonKey], punches: Sequence[AcceptedPunch]
) -> int:
    """Let all days of these people wait: somebody's cannot be computed, and the backlog finds out whose."""
    await transaction.captures.store_punches([(each, WAITING) for each in punches])
    await transaction.backlog.add({each: [DateSpan()] for each in people})
    await _rebook_final(transaction, people)
    return 0


async def _rebook_final(transaction: Transaction, people: Sequence[PersonKey]) -> None:
    everything = [PersonDates(each, date.min, date.max) for each in people]
    final_before = (await transaction.retention.read()).final_before
    await rebook_final(transaction.periods, final_part(everything, final_before))
