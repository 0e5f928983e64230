"""What the 1:N protocol gave: each capture with its search, and the figures that follow from all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId, PersonId, RankedPerson
from recognition_worker.evaluation.domain.error_rates import NO_SCORE, Searches
from recognition_worker.evaluation.domain.non_mated_tail import NonMatedScores
from recognition_worker.evaluation.encode_faces import Encoded


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """A capture's highest scores with other people. people: numbers of those enrolled. count: of all."""

    scores: Vector
    people: NDArray[np.int32]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One capture and its search. best: the first two people."""

    person_id: PersonId
    encoded: Encoded
    best: tuple[RankedPerson, ...] = ()
    mate_score: float | None = None
    others: Others | None = None

    @property
    def best_score(self) -> float:
        """Return the score of the person who came first; -inf when the capture was refused."""
        return self.best[0].score if self.best else NO_SCORE

    @property
    def mated_score(self) -> float:
        """Return the score of the person shown if they came first, else -inf."""
        return self.best_score if self.best and self.best[0].person_id == self.person_id else NO_SCORE


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What the protocol gave. seconds: for all captures and strangers, from bytes to ranking."""

    model: ModelId
    enrolled: tuple[PersonId, ...]
    not_enrolled: tuple[PersonId, ...]
    left_out: tuple[PersonId, ...]
    refused_enrolments: Mapping[str, int]
    probes: tuple[Attempt, ...]
    strangers: tuple[Attempt, ...]
    seconds: float

    @property
    def searches(self) -> Searches:
        """Return the scores for the figures."""
        return Searches(
            np.array([attempt.mated_score for attempt in self.probes]),
            _numbered(self.probes),
            np.array([attempt.best_score for attempt in self.strangers]),
            _numbered(self.strangers),
        )

    @property
    def non_mated(self) -> NonMatedScores:
        """Return the scores of known people's captures with the other people, the highest of them."""
        found = [(at, one.others) for at, one in zip(_numbered(self.probes), self.probes, strict=True)]
        kept = [(at, others) for at, others in found if others is not None]
        nothing = np.zeros(0)
        return NonMatedScores(
            scores=np.concatenate([nothing, *(others.scores for _, others in kept)]),
            captured=np.repeat([at for at, _ in kept], [len(others.scores) for _, others in kept]),
            enrolled=np.concatenate([nothing, *(others.people for _, others in kept)]).astype(np.intp),
            count=sum(others.count for _, others in kept),
        )

    @property
    def refused_captures(self) -> Counter[str]:
        """Count the captures without an embedding by reason."""
        attempts = (*self.probes, *self.strangers)
        return Counter(reason for attempt in attempts for reason in attempt.encoded.reasons)

    @property
    def failure_to_acquire(self) -> float:
        """Return the share of captures, strangers' too, that gave no embedding."""
        attempts = (*self.probes, *self.strangers)
        return sum(attempt.encoded.embedding is None for attempt in attempts) / len(attempts)

    @property
    def stages_ms(self) -> dict[str, float]:
        """Return the mean milliseconds of each stage over the captures that reached it."""
        spent: dict[str, list[float]] = {}
        for attempt in (*self.probes, *self.strangers):
            for stage, milliseconds in attempt.encoded.timings_ms.items():
                spent.setdefault(stage, []).append(milliseconds)
        return {stage: float(np.mean(times)) for stage, times in spent.items()}


def _numbered(attempts: Sequence[Attempt]) -> NDArray[np.intp]:
    numbers: dict[PersonId, int] = {}
    return np.array([numbers.setdefault(one.person_id, len(numbers)) for one in attempts], dtype=np.intp)
