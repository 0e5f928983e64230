"""Turns the scores of a person's several templates into one score, in the ways that can be chosen from."""

from enum import StrEnum

import numpy as np

from recognition_worker.domain.face import Vector

_MOST_OF_TOP = 2
_TINY = 1e-12


class TemplateRule(StrEnum):
    """How several templates become one score."""

    BEST = "best score"
    TOP = "mean of the two best scores"
    MEAN = "mean template"


def mean_template(templates: Vector) -> Vector:
    """Return the mean of templates (..., n, d) over n, of unit norm again."""
    mean = templates.astype(np.float64).mean(axis=-2)
    unit: Vector = mean / np.maximum(np.linalg.norm(mean, axis=-1, keepdims=True), _TINY)
    return unit.astype(np.float32)


def person_scores(probes: Vector, templates: Vector, rule: TemplateRule) -> Vector:
    """Return the scores of probes (m, d) with people (p, n, d), all of unit norm: float32 (m, p)."""
    if rule is TemplateRule.MEAN:
        of_means: Vector = probes @ mean_template(templates).T
        return of_means
    scores = np.einsum("md,pnd->mpn", probes, templates)
    if rule is TemplateRule.BEST:
        best: Vector = scores.max(axis=2)
        return best
    top: Vector = np.sort(scores, axis=2)[:, :, -_MOST_OF_TOP:].mean(axis=2)
    return top
