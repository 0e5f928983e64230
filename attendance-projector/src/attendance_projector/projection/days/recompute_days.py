"""Compute the days that changed facts made stale, and put every punch of them in its place.

Only stale dates are computed, from all punches around them, so late facts change exactly the days that they
touch. People whose record or home site has not arrived yet have no zone: their punches wait, and are placed
when the directory learns. People are computed in rounds, each while the server writes what came before it and
reads what comes next.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from attendance_projector.projection.days.compute_days import ComputedDays, compute_days
from attendance_projector.projection.days.read_inputs import DayInputs, NewPunch, read_inputs
from attendance_projector.projection.days.rule_inputs import as_punch
from attendance_projector.projection.days.stale_dates import Change, PunchChanged
from attendance_projector.projection.periods.keep_locked_days import Computed, keep_locked_days
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import AcceptedPunch, PersonKey

T = TypeVar("T")

# A round holds every punch of its people around the stale dates in memory; three rounds are on their way.
PEOPLE_PER_ROUND = 1000
# Stores something in the transaction.
Write = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """Write nothing."""


async def recompute_days(
    transaction: Transaction,
    changes: Mapping[PersonKey, Sequence[Change]],
    added: Sequence[AcceptedPunch],
    write: Write = _nothing,
) -> int:
    """Recompute what the changes, by person, make stale; store the added punches; return the days computed.

    The transaction holds the locks of these people. `write` stores what nothing here reads.
    """
    new_by_person: dict[PersonKey, list[NewPunch]] = defaultdict(list)
    all_changes: dict[PersonKey, list[Change]] = defaultdict(list)
    for person, of_person in changes.items():
        all_changes[person].extend(of_person)
    for accepted in added:
        punch = as_punch(accepted.punch_id, accepted.occurred_at, accepted.direction, accepted.method)
        new_by_person[accepted.person].append((accepted, punch))
        all_changes[accepted.person].append(PunchChanged(punch))
    rounds = _rounds(sorted(all_changes))

    async def read_next() -> list[DayInputs] | None:
        # People of another round: nothing that waits to be written is among what is read.
        of_round = {each: all_changes[each] for each in next(rounds, ())}
        return await read_inputs(transaction, of_round, new_by_person) if of_round else None

    count, inputs = 0, await read_next()
    while inputs is not None:
        result, inputs = await _beside(compute_days(inputs), _in_turn(write, read_next))
        write = partial(_write_round, transaction, result)
        count += len(result.days)
    await write()
    return count


async def _in_turn(write: Write, read: Callable[[], Awaitable[T]]) -> T:
    await write()
    return await read()


async def _beside(
    computing: Coroutine[None, None, ComputedDays], serving: Coroutine[None, None, T]
) -> tuple[ComputedDays, T]:
    """Compute while the server works; when both are done, or one failed, the transaction is free again."""
    served = asyncio.ensure_future(serving)
    try:
        result = await computing
    finally:
        found = await served
    return result, found


async def _write_round(transaction: Transaction, result: ComputedDays) -> None:
    computed = Computed(result.spans, result.days)
    to_store = await keep_locked_days(transaction.periods, result.people, computed)
    await transaction.days.replace(to_store.spans, to_store.days)
    await transaction.days.move_punches(result.moves)
    await transaction.captures.store_punches(result.new)


def _rounds(people: Sequence[PersonKey]) -> Iterator[Sequence[PersonKey]]:
    for start in range(0, len(people), PEOPLE_PER_ROUND):
        yield people[start : start + PEOPLE_PER_ROUND]
