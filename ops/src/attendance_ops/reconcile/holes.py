"""Numbers of devices that never came, between those that did, by topics, object store and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from attendance_ops.reconcile.ledger import Ledger

Range = tuple[int, int]
# Numbers of the log and of what is on no topic, with whether they came within the window; and, as they are,
# the ranges that the tables know from before.
_NUMBERS = """
SELECT org, device, sequence AS first, sequence AS last,
    max(at >= :since AND at < :until AND at < :ripe) AS is_ours, max(at) AS at
FROM event WHERE device IS NOT NULL AND sequence IS NOT NULL GROUP BY org, device, sequence
UNION ALL
SELECT org, device, sequence, sequence, 1, at FROM unpublished
WHERE device IS NOT NULL AND sequence IS NOT NULL
UNION ALL
SELECT report.org, report.device, first, last, 0, NULL FROM report
ORDER BY org, device, first
"""
FIRST_NUMBER = 1


def find_holes(ledger: Ledger) -> None:
    """Add each hole that ends at a number of the window to the findings of the ledger."""
    known = {(org, device) for org, device in ledger.ask("SELECT DISTINCT org, device FROM report")}
    found: list[tuple[object, ...]] = []
    for (org, device), rows in groupby(ledger.ask(_NUMBERS), key=itemgetter(0, 1)):
        numbers = ((first, last, bool(is_ours), at) for _, _, first, last, is_ours, at in rows)
        for (first, last), at in holes_of(numbers, from_first=(org, device) in known):
            text = str(first) if first == last else f"{first}-{last}"
            found.append(("hole", org, None, None, at, f"{device}: {text}", 0))
    ledger.add("finding", found)


def holes_of(
    numbers: Iterable[tuple[int, int, bool, int | None]], *, from_first: bool
) -> Iterator[tuple[Range, int | None]]:
    """Yield ranges of numbers that are missing before a number that came within the window, and when it came.

    numbers: ranges in the order of their firsts, whether they came within the window, and when. from_first:
    all are known, so that what is missing before the first of them is a hole, too.
    """
    reach: int | None = FIRST_NUMBER - 1 if from_first else None
    # A range and single numbers within it may begin alike: the hole is theirs when any of them is ours.
    for first, alike in groupby(numbers, key=itemgetter(0)):
        rows = list(alike)
        ours = [at for _, _, is_ours, at in rows if is_ours]
        if reach is not None and first > reach + 1 and ours:
            yield (reach + 1, first - 1), ours[0]
        reach = max(reach or 0, *(last for _, last, _, _ in rows))
