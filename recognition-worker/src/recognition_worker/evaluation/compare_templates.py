"""Measures which templates serve best: one to three enrolment photos, and how several become one score.

Four photos of each person take turns: in each of four rounds one of them is the capture, and the first of
the others enrol. Every choice so sees the same captures, and only the templates differ. A search without
the person shown counts as that of a stranger, beside the strangers themselves. No quality gate: it would
choose other people each time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.template_choice import TemplateRule, person_scores
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.domain.error_rates import (
    NO_SCORE,
    Interval,
    Searches,
    fnir,
    fnir_interval,
    rank1,
    threshold_at,
)
from recognition_worker.evaluation.encode_faces import FaceEncoder
from recognition_worker.evaluation.evaluate_model import PersonPhotos

MOST_TEMPLATES = 3
_BATCH = 16


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """One choice and its figures at the target FPIR."""

    photos: int
    rule: str
    mirrored: bool
    rank1: float
    fnir: float
    fnir_interval: Interval
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """Embeddings of the people, (p, 4, d), and of the strangers, (s, d)."""

    people: Vector
    strangers: Vector


def people_for_templates(known: Sequence[PersonPhotos]) -> list[PersonPhotos]:
    """Return the people with photos enough."""
    return [person for person in known if len(person.photos) > MOST_TEMPLATES]


def compare_templates(
    encoder: FaceEncoder,
    known: Sequence[PersonPhotos],
    unknown: Sequence[PersonPhotos],
    *,
    mirrored: bool,
    target_fpir: float,
    on_photos: Callable[[int], None] = lambda _count: None,
) -> list[TemplateChoice]:
    """Measure all choices with one encoder. mirrored: what the encoder does, for the table.

    Raises:
        EvaluationRefused: fewer than two people have four photos with a face, or no stranger has one.
    """
    embedded = _embed(encoder, people_for_templates(known), unknown, on_photos)
    choices = []
    for photos in range(1, MOST_TEMPLATES + 1):
        # With one template all rules are the same.
        for rule in TemplateRule if photos > 1 else (TemplateRule.MEAN,):
            searches = _search(embedded, photos, rule)
            threshold = threshold_at(searches.strangers, target_fpir)
            choices.append(
                TemplateChoice(
                    photos=photos,
                    rule=rule.value if photos > 1 else "one template",
                    mirrored=mirrored,
                    rank1=rank1(searches.mated),
                    fnir=fnir(searches.mated, threshold),
                    fnir_interval=fnir_interval(searches, target_fpir),
                    threshold=threshold,
                )
            )
    return choices


def _search(embedded: _Embedded, photos: int, rule: TemplateRule) -> Searches:
    rounds = [_round(embedded, capture, photos, rule) for capture in range(MOST_TEMPLATES + 1)]
    people, strangers = len(embedded.people), len(embedded.strangers)
    return Searches(
        mated=np.concatenate([mated for mated, _ in rounds]),
        mated_people=np.tile(np.arange(people), len(rounds)),
        strangers=np.concatenate([non_mated for _, non_mated in rounds]),
        stranger_people=np.tile(np.arange(people + strangers), len(rounds)),
    )


def _round(
    embedded: _Embedded, capture: int, photos: int, rule: TemplateRule
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Search photo `capture` of each person, and all strangers; mated scores, and those of strangers."""
    templates = np.delete(embedded.people, capture, axis=1)[:, :photos]
    scores = person_scores(embedded.people[:, capture], templates, rule).astype(np.float64)
    mates = scores.diagonal().copy()
    np.fill_diagonal(scores, NO_SCORE)
    others = scores.max(axis=1)
    of_strangers = person_scores(embedded.strangers, templates, rule).max(axis=1).astype(np.float64)
    return np.where(mates > others, mates, NO_SCORE), np.concatenate([others, of_strangers])


def _embed(
    encoder: FaceEncoder,
    known: Sequence[PersonPhotos],
    unknown: Sequence[PersonPhotos],
    on_photos: Callable[[int], None],
) -> _Embedded:
    people = [_faces(encoder, person.photos, on_photos) for person in known]
    people = [embeddings[: MOST_TEMPLATES + 1] for embeddings in people if len(embeddings) > MOST_TEMPLATES]
    strangers = _faces(encoder, [read for person in unknown for read in person.photos], on_photos)
    if len(people) < 2 or not strangers:  # noqa: PLR2004 - somebody must be taken for somebody else
        raise EvaluationRefused(
            f"{len(people)} people have {MOST_TEMPLATES + 1} photos with a face, and {len(strangers)} "
            "strangers have one; two and one are needed to compare templates"
        )
    return _Embedded(np.array(people), np.array(strangers))


def _faces(
    encoder: FaceEncoder, photos: Sequence[Callable[[], bytes]], on_photos: Callable[[int], None]
) -> list[Vector]:
    found: list[Vector] = []
    for start in range(0, len(photos), _BATCH):
        batch = photos[start : start + _BATCH]
        encoded = encoder.probe([read() for read in batch])
        found.extend(one.embedding for one in encoded if one.embedding is not None)
        on_photos(len(batch))
    return found
