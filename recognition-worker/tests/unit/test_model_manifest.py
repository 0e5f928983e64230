import msgspec
import pytest

from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.domain.decision import Outcome, Thresholds, decide
from recognition_worker.domain.identity import ModelId, PersonId, RankedPerson
from recognition_worker.domain.model_manifest import parse_manifest
from recognition_worker.errors import ModelRefused

HEAD = """
name = "SFace"
version = "2021dec-1"
licence = "Apache-2.0"
origin = "somewhere"
sha256 = "00"
input_size = 112
dimensions = 128
same_person_score = 0.3
[source]
package = "p"
path = "m.onnx"
sha256 = "11"
"""
SMALL = """
[[operating_points]]
people_up_to = 100
threshold = 0.5
margin = 0.05
review_threshold = 0.4
evidence = "measured"
"""
LARGE = """
[[operating_points]]
people_up_to = 1000
threshold = 0.6
margin = 0.05
review_threshold = 0.5
evidence = "extrapolated"
"""
TAIL = "\n[evaluation]\nprobes = 3\n"


STRICT = LARGE.replace("0.6", "0.7") + "target_fpir = 0.001\n"


def test_the_threshold_follows_the_number_of_people_searched() -> None:
    manifest = parse_manifest(HEAD + SMALL + LARGE + TAIL)
    small, large = Thresholds(0.5, 0.05, 0.4), Thresholds(0.6, 0.05, 0.5)
    assert manifest.model == ModelId("SFace", "2021dec-1")
    assert [manifest.thresholds(count) for count in (0, 100, 1000)] == [small, small, large]
    assert 0.5 < manifest.thresholds(101).threshold < manifest.thresholds(999).threshold < 0.6
    assert manifest.thresholds(10**4).threshold > 0.6


def test_the_target_in_force_chooses_the_thresholds() -> None:
    manifest = parse_manifest(HEAD + SMALL + LARGE + STRICT + TAIL)
    assert manifest.target_fpirs == (0.001, 0.003)
    assert manifest.for_target(0.001).thresholds(1000).threshold == 0.7
    assert manifest.for_target(0.003).thresholds(1000).threshold == 0.6
    assert manifest.for_target(0.003).thresholds(1000) == manifest.thresholds(1000)


def test_a_target_without_thresholds_is_refused_with_those_there_are() -> None:
    manifest = parse_manifest(HEAD + SMALL + STRICT + TAIL)
    with pytest.raises(ModelRefused, match=r"target FPIR of 0.02, it has them for 0.001, 0.003: .*--write"):
        manifest.for_target(0.02)


def test_a_calibration_replaces_the_thresholds_of_its_own_model_only() -> None:
    manifest = parse_manifest(HEAD + SMALL + TAIL)
    own = parse_manifest(HEAD + LARGE + "[evaluation]\nprobes = 900\n")
    calibrated = manifest.calibrated_by(own)
    assert calibrated.thresholds(5).threshold == 0.6
    assert calibrated.evaluation == {"probes": 900}
    for other in (
        msgspec.structs.replace(own, version="2"),
        msgspec.structs.replace(own, name="Dlib"),
        msgspec.structs.replace(own, sha256="99"),
    ):
        with pytest.raises(ModelRefused, match="say nothing about another: calibrate again"):
            manifest.calibrated_by(other)


def test_a_licence_that_is_not_allowed_refuses_and_says_why() -> None:
    text = HEAD.replace("Apache-2.0", "CC-BY-NC-4.0") + SMALL + TAIL
    with pytest.raises(
        ModelRefused, match=r"SFace 2021dec-1 is under the licence 'CC-BY-NC-4.0'.*Apache-2.0"
    ):
        parse_manifest(text).check_licence()
    parse_manifest(text).check_licence({"CC-BY-NC-4.0"})
    parse_manifest(HEAD + SMALL + TAIL).check_licence()
    reviewed = text.replace("input_size", 'licence_reviewed = "contract 4711, legal"\ninput_size')
    parse_manifest(reviewed).check_licence()


def test_no_packaged_manifest_claims_a_review() -> None:
    assert [manifest for manifest in read_registry() if manifest.licence_reviewed] == []


def test_without_thresholds_it_never_decides_and_keeps_the_scores() -> None:
    manifest = parse_manifest(HEAD + TAIL)
    assert not manifest.calibrated
    with pytest.raises(ModelRefused, match=r"must not decide: run .*calibrate --model SFace"):
        manifest.check_calibrated()
    ranking = [RankedPerson(PersonId("ada"), 0.9999), RankedPerson(PersonId("bob"), 0.1)]
    decision = decide(ranking, manifest.thresholds(2))
    assert (decision.outcome, decision.person_id, decision.score) == (Outcome.REVIEW, "ada", 0.9999)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name =", "manifest is wrong"),
        (HEAD + LARGE + SMALL + TAIL, "rising people_up_to"),
        ("nickname = 1\n" + HEAD + SMALL + TAIL, "nickname"),
        (HEAD.replace("dimensions = 128", "dimensions = 'many'") + SMALL + TAIL, "dimensions"),
        (HEAD + SMALL.replace("0.4", "0.6") + TAIL, "review_threshold"),
        (HEAD + SMALL + LARGE.replace("0.6", "0.45").replace("0.5\n", "0.4\n") + TAIL, "must not be below"),
        (HEAD + STRICT + TAIL, "must be there"),
    ],
    ids=["toml", "order", "unknown field", "type", "thresholds", "falling", "no default target"],
)
def test_a_wrong_manifest_is_refused_with_its_field(text: str, why: str) -> None:
    with pytest.raises(ModelRefused, match=why):
        parse_manifest(text)
