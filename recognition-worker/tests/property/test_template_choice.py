import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.template_choice import TemplateRule, person_scores


def unit(seed: int, *shape: int) -> np.ndarray:
    raw = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=-1, keepdims=True)


@pytest.mark.parametrize("rule", TemplateRule)
def test_all_rules_agree_about_one_template(rule: TemplateRule) -> None:
    probes, templates = unit(1, 3, 8), unit(2, 5, 1, 8)
    np.testing.assert_allclose(person_scores(probes, templates, rule), probes @ templates[:, 0].T, atol=1e-6)


@given(st.integers(0, 1000))
def test_the_best_score_is_never_below_that_of_the_two_best(seed: int) -> None:
    probes, templates = unit(seed, 3, 8), unit(seed + 1, 5, 3, 8)
    best = person_scores(probes, templates, TemplateRule.BEST)
    assert (best >= person_scores(probes, templates, TemplateRule.TOP) - 1e-6).all()


def test_the_mean_template_is_of_unit_norm_again() -> None:
    templates = np.array([[[1, 0], [0, 1]]], np.float32)
    scores = person_scores(np.array([[1, 0]], np.float32), templates, TemplateRule.MEAN)
    assert scores[0, 0] == pytest.approx(np.sqrt(0.5))
