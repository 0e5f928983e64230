"""From what a scan found to rankings of people, with the rows that were written meanwhile."""

from dataclasses import dataclass

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import PersonId, RankedPerson, Ranking
from recognition_worker.domain.search.people import People
from recognition_worker.domain.search.row_scan import Found, Rows, Scores, exact_scores

# So many rows may be written during a search without another scan.
SPARE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a scan found, and everything it was about. version: of the rows that it saw."""

    version: int
    probes: Vector
    scope: frozenset[PersonId] | None
    limit: int
    among: Rows | None
    found: list[Found]


def rows_of(people: People, scope: frozenset[PersonId], count: int) -> Rows:
    """Return the rows of a scope that a scan may see, in order."""
    rows = {row for row in map(people.row_of, scope) if row is not None and row < count}
    return np.array(sorted(rows), dtype=np.intp)


def answer(people: People, looked: Look) -> list[Ranking] | None:
    """Rank what a look found, with what was written since; None when that was too much."""
    written = people.rows.written_since(looked.version)
    if written is None or len(written) > SPARE:
        return None
    scope = looked.scope
    fresh = [
        row
        for row in sorted(written)
        if row < people.count and (scope is None or people.person_at(row) in scope)
    ]
    if scope is None or looked.among is None:
        searched = people.count
    elif not written:
        searched = len(looked.among)
    else:
        searched = sum(people.row_of(person) is not None for person in scope)
    vectors = np.array([people.rows.read(row) for row in fresh], np.float32)
    rankings = []
    for probe, found in zip(looked.probes, looked.found, strict=True):
        rows, scores = found.rows, found.scores
        if written:
            stands = ~np.isin(rows, list(written))
            rows, scores = rows[stands], scores[stands]
        if fresh:
            rows = np.concatenate([rows, fresh])
            scores = np.concatenate([scores, exact_scores(vectors, probe)])
        rankings.append(Ranking(_best(people, rows, scores, looked.limit), searched))
    return rankings


def _best(people: People, rows: Rows, scores: Scores, limit: int) -> tuple[RankedPerson, ...]:
    if len(rows) > limit:
        # Ties at the cut stay in until the sort decides.
        keep = scores >= np.partition(scores, -limit)[-limit]
        rows, scores = rows[keep], scores[keep]
    ranked = sorted(
        (
            RankedPerson(people.person_at(row), score)
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        ),
        key=lambda person: (-person.score, person.person_id),
    )
    return tuple(ranked[:limit])
