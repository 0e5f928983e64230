"""Pairs what the models that run side by side said about the same captures, for a comparison."""

from collections.abc import Sequence

from attendance_schemas.events import MatchDecided
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.identity import ModelId, PersonId
from recognition_worker.evaluation.domain.model_comparison import Compared, Said

_OWN_STAGES = ("embed", "search")


def pairs(decided: Sequence[MatchDecided], scored: Sequence[MatchDecided]) -> list[Compared]:
    """Pair decisions with what other models said about the same captures.

    The first decision of the highest round counts, as in the read model; repetitions count once.
    """
    counts: dict[object, MatchDecided] = {}
    for match in decided:
        known = counts.get(capture := (match.org_id, match.capture_id))
        if known is None or match.decision_round > known.decision_round:
            counts[capture] = match
    others = {
        (match.org_id, match.capture_id, match.model_name, match.model_version): match for match in scored
    }
    found = []
    for other in others.values():
        counting = counts.get((other.org_id, other.capture_id))
        if counting is None or _said(counting).model == _said(other).model:
            continue
        found.append(
            Compared(
                counting.org_id,
                str(counting.capture_id),
                counting.device_id,
                counting.site_id,
                counting.occurred_at,
                _said(counting).model,
                _said(counting),
                _said(other),
            )
        )
    return found


def _said(match: MatchDecided) -> Said:
    return Said(
        ModelId(match.model_name, match.model_version),
        Outcome(match.outcome.value),
        PersonId(match.person_id) if match.person_id is not None else None,
        match.score,
        match.threshold,
        sum(match.timings_ms.get(stage, 0.0) for stage in _OWN_STAGES),
    )
