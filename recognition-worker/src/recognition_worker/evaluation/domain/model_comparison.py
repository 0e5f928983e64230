"""What two models said about the same captures: where they agree, and what somebody should look at.

Pure. The first model is the one that decided more of the captures. Scores of two models have scales of their
own and are never compared with each other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import numpy as np

from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.identity import ModelId, PersonId

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Kind(StrEnum):
    """How two models disagree, the most serious first."""

    OTHER_PERSON = "other person"
    ONLY_FIRST = "only the first identifies"
    ONLY_SECOND = "only the second identifies"
    OTHER_OUTCOME = "other outcome"


@dataclass(frozen=True, slots=True)
class Said:
    """What one model said. latency_ms: its own stages, embedding and search."""

    model: ModelId
    outcome: Outcome
    person_id: PersonId | None
    score: float | None
    threshold: float | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One capture by both. decided_by: whose result counted."""

    org_id: str
    capture_id: str
    device_id: str
    site_id: str
    occurred_at: datetime
    decided_by: ModelId
    first: Said
    second: Said

    @property
    def kind(self) -> Kind | None:
        """Return how they disagree; None when they agree."""
        one, other = self.first, self.second
        if (one.outcome, one.person_id) == (other.outcome, other.person_id):
            return None
        identifies = (one.outcome is Outcome.IDENTIFIED, other.outcome is Outcome.IDENTIFIED)
        match identifies:
            case (True, True):
                return Kind.OTHER_PERSON
            case (True, False):
                return Kind.ONLY_FIRST
            case (False, True):
                return Kind.ONLY_SECOND
            case _:
                return Kind.OTHER_OUTCOME


@dataclass(frozen=True, slots=True)
class Side:
    """One model's part. quantiles: of scores and of milliseconds, by share in percent."""

    model: ModelId
    decided: int
    outcomes: Mapping[str, int]
    score_quantiles: Mapping[str, float]
    latency_ms_quantiles: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models over all captures that both saw."""

    captures: tuple[Compared, ...]
    first: Side
    second: Side
    disagreements: Mapping[Kind, tuple[Compared, ...]] = field(default_factory=dict)

    @property
    def agreement(self) -> float:
        """Return the share of captures on which they agree."""
        differing = sum(len(found) for found in self.disagreements.values())
        return 1.0 - differing / len(self.captures)


def compare(captures: Sequence[Compared]) -> list[Comparison]:
    """Compare each two models that saw the same captures, those with most captures first."""
    groups: dict[frozenset[ModelId], list[Compared]] = {}
    for capture in captures:
        groups.setdefault(frozenset((capture.first.model, capture.second.model)), []).append(capture)
    return sorted((_comparison(group) for group in groups.values()), key=lambda found: -len(found.captures))


def _comparison(captures: Sequence[Compared]) -> Comparison:
    decided = Counter(capture.decided_by for capture in captures)
    first = min((-count, str(model), model) for model, count in decided.items())[2]
    turned = tuple(capture if capture.first.model == first else _turned(capture) for capture in captures)
    disagreements = {
        kind: found
        for kind in Kind
        if (found := tuple(capture for capture in turned if capture.kind is kind))
    }
    return Comparison(
        turned,
        _side([capture.first for capture in turned], decided),
        _side([capture.second for capture in turned], decided),
        disagreements,
    )


def _turned(capture: Compared) -> Compared:
    return replace(capture, first=capture.second, second=capture.first)


def _side(said: Sequence[Said], decided: Mapping[ModelId, int]) -> Side:
    model = said[0].model
    return Side(
        model=model,
        decided=decided.get(model, 0),
        outcomes=dict(Counter(one.outcome.value for one in said).most_common()),
        score_quantiles=_quantiles(one.score for one in said if one.score is not None),
        latency_ms_quantiles=_quantiles(one.latency_ms for one in said if one.latency_ms),
    )


def _quantiles(values: Iterable[float]) -> dict[str, float]:
    found = np.array(list(values))
    if not found.size:
        return {}
    return {f"{100 * share:g}": float(np.quantile(found, share)) for share in _QUANTILES}
