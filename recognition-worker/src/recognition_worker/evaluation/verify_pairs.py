"""Runs the 1:1 protocol of Labeled Faces in the Wild: a list of pairs, in folds.

Each photo is encoded once. A pair with a photo that was refused counts as two people: score -1.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.evaluation.domain import error_rates
from recognition_worker.evaluation.domain.pairs import Pair, PhotoRef
from recognition_worker.evaluation.encode_faces import FaceEncoder

_BATCH = 16
_LOWEST = -1.0
_STRICT_RATE = 1e-3


@dataclass(frozen=True, slots=True)
class PairsSummary:
    """The figures of the pairs; accuracy is the mean over the folds, with its standard error."""

    model: str
    pipeline: str
    pairs: int
    photos: int
    fta: float
    accuracy: float
    accuracy_standard_error: float
    folds: tuple[float, ...]
    eer: float
    tpr_at_fpr_1e3: float

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def verify_pairs(
    encoder: FaceEncoder,
    pairs: Sequence[Pair],
    read: Callable[[PhotoRef], bytes],
    *,
    pipeline: str,
    on_photos: Callable[[int], None] = lambda _count: None,
) -> PairsSummary:
    """Score all pairs and compute the figures."""
    photos = list(dict.fromkeys(photo for pair in pairs for photo in (pair.first, pair.second)))
    embeddings: dict[PhotoRef, Vector | None] = {}
    for start in range(0, len(photos), _BATCH):
        batch = photos[start : start + _BATCH]
        encoded = encoder.probe([read(photo) for photo in batch])
        embeddings.update(zip(batch, (one.embedding for one in encoded), strict=True))
        on_photos(len(batch))
    scores = np.array([_score(embeddings[pair.first], embeddings[pair.second]) for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    folds = error_rates.fold_accuracies(scores, same, np.array([pair.fold for pair in pairs], dtype=np.intp))
    return PairsSummary(
        model=str(encoder.model),
        pipeline=pipeline,
        pairs=len(pairs),
        photos=len(photos),
        fta=sum(embedding is None for embedding in embeddings.values()) / len(photos),
        accuracy=float(np.mean(folds)),
        accuracy_standard_error=float(np.std(folds, ddof=1) / np.sqrt(len(folds))),
        folds=folds,
        eer=error_rates.equal_error_rate(scores[same], scores[~same]),
        tpr_at_fpr_1e3=error_rates.true_positive_rate(scores[same], scores[~same], _STRICT_RATE),
    )


def _score(first: Vector | None, second: Vector | None) -> float:
    return _LOWEST if first is None or second is None else float(first @ second)
