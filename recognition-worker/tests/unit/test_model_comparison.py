from uuid import uuid4

import msgspec
import pytest

from attendance_schemas.events import MatchDecided
from attendance_schemas.events import Outcome as Symbol
from attendance_schemas.golden import golden_examples
from recognition_worker.domain.identity import ModelId
from recognition_worker.evaluation.domain.model_comparison import Kind, compare
from recognition_worker.evaluation.pair_decisions import pairs

GOLDEN = next(event for _, event, _ in golden_examples(MatchDecided))
assert isinstance(GOLDEN, MatchDecided)
OLD, NEW = ModelId("SFace", "1"), ModelId("Dlib", "d1")
WHO = {"acme": "ada", "globex": "eve"}


def match(capture_id, model: ModelId, outcome: str, person: str | None = None, **changes) -> MatchDecided:
    return msgspec.structs.replace(
        GOLDEN,
        capture_id=capture_id,
        model_name=model.name,
        model_version=model.version,
        outcome=Symbol(outcome),
        person_id=person,
        **changes,
    )


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (("IDENTIFIED", "ada"), ("IDENTIFIED", "ada"), None),
        (("UNKNOWN", None), ("UNKNOWN", None), None),
        (("IDENTIFIED", "ada"), ("IDENTIFIED", "bob"), Kind.OTHER_PERSON),
        (("IDENTIFIED", "ada"), ("REVIEW", "ada"), Kind.ONLY_FIRST),
        (("UNKNOWN", None), ("IDENTIFIED", "ada"), Kind.ONLY_SECOND),
        (("REVIEW", "ada"), ("UNKNOWN", None), Kind.OTHER_OUTCOME),
    ],
)
def test_disagreements_are_told_by_kind(first, second, kind) -> None:
    capture_id = uuid4()
    [comparison] = compare(pairs([match(capture_id, OLD, *first)], [match(capture_id, NEW, *second)]))
    assert {found: [one.capture_id for one in them] for found, them in comparison.disagreements.items()} == (
        {} if kind is None else {kind: [str(capture_id)]}
    )
    assert comparison.agreement == (kind is None)


def test_a_canary_counts_for_both_directions() -> None:
    one, other, third = uuid4(), uuid4(), uuid4()
    decided = [
        match(one, OLD, "IDENTIFIED", "ada", timings_ms={"embed": 4.0, "search": 1.0, "fetch": 90.0}),
        match(other, NEW, "UNKNOWN"),
        match(third, OLD, "IDENTIFIED", "bob"),
    ]
    shadow = [
        match(one, NEW, "UNKNOWN"),
        match(other, OLD, "IDENTIFIED", "eve"),
        match(third, NEW, "IDENTIFIED", "bob"),
    ]
    [comparison] = compare(pairs(decided, shadow))
    assert (comparison.first.model, comparison.second.model) == (OLD, NEW)
    assert (comparison.first.decided, comparison.second.decided) == (2, 1)
    assert comparison.first.outcomes == {"IDENTIFIED": 3}
    assert [one.decided_by for one in comparison.disagreements[Kind.ONLY_FIRST]] == [OLD, NEW]
    assert comparison.agreement == pytest.approx(1 / 3)
    assert min(comparison.first.latency_ms_quantiles.values()) > 0


def test_repetitions_count_once_and_the_first_decision_of_a_round_counts() -> None:
    capture_id = uuid4()
    decided = [
        match(capture_id, OLD, "IDENTIFIED", "ada"),
        match(capture_id, OLD, "IDENTIFIED", "ada"),
        match(capture_id, NEW, "UNKNOWN"),  # delivered again after a promotion
    ]
    shadow = [match(capture_id, NEW, "UNKNOWN"), match(capture_id, NEW, "UNKNOWN")]
    [comparison] = compare(pairs(decided, shadow))
    assert [one.decided_by for one in comparison.captures] == [OLD]


def test_the_same_capture_id_in_another_organisation_is_another_capture() -> None:
    capture_id = uuid4()
    theirs = match(capture_id, NEW, "IDENTIFIED", "eve", org_id="globex")
    assert pairs([match(capture_id, OLD, "IDENTIFIED", "ada")], [theirs]) == []
    both = [match(capture_id, OLD, "IDENTIFIED", person, org_id=org) for org, person in WHO.items()]
    shadow = [match(capture_id, NEW, "IDENTIFIED", person, org_id=org) for org, person in WHO.items()]
    [comparison] = compare(pairs(both, shadow))
    assert ([one.org_id for one in comparison.captures], comparison.agreement) == (list(WHO), 1.0)


def test_what_only_one_model_saw_is_no_comparison() -> None:
    alone, shadow_only = uuid4(), uuid4()
    assert pairs([match(alone, OLD, "UNKNOWN")], [match(shadow_only, NEW, "UNKNOWN")]) == []
    assert pairs([match(alone, OLD, "UNKNOWN")], [match(alone, OLD, "UNKNOWN")]) == []
    assert compare([]) == []
