import msgspec
import pytest

from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_listing import ModelState, list_models
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.errors import ModelRefused


def model(name: str, version: str, **changes: object) -> ModelManifest:
    manifest = ModelManifest(
        name=name,
        version=version,
        licence="MIT",
        origin="paint",
        sha256="00",
        input_size=112,
        dimensions=4,
        same_person_score=0.3,
    )
    return msgspec.structs.replace(manifest, **changes)


def test_a_model_is_found_by_name_or_by_name_and_version() -> None:
    registry = ModelRegistry([model("SFace", "1"), model("Dlib", "d1")], [model("SFace", "2")])
    assert registry.find("sface").version == "1"  # the packaged one
    assert registry.find("SFace@2").version == "2"
    assert registry.find("Dlib").model == ModelId("Dlib", "d1")
    assert [str(manifest.model) for manifest in registry] == ["Dlib d1", "SFace 1", "SFace 2"]


def test_a_manifest_of_ones_own_replaces_the_packaged_one() -> None:
    registry = ModelRegistry([model("SFace", "1")], [model("SFace", "1", sha256="11")])
    assert registry.find("SFace").sha256 == "11"


@pytest.mark.parametrize("wanted", ["Nobody", "SFace@3"])
def test_an_unknown_model_is_refused_with_those_that_are_known(wanted: str) -> None:
    with pytest.raises(ModelRefused, match=r"no model '.*'; known are SFace@1\..*MODEL_REGISTRY"):
        ModelRegistry([model("SFace", "1")]).find(wanted)


def test_several_versions_of_ones_own_have_to_be_told_apart() -> None:
    registry = ModelRegistry([], [model("Mine", "1"), model("Mine", "2")])
    with pytest.raises(ModelRefused, match=r"several versions of mine: name one of Mine@1, Mine@2"):
        registry.find("mine")


def test_two_models_of_one_version_are_refused_because_decisions_would_share_ids() -> None:
    with pytest.raises(ModelRefused, match=r"SFace 1 and Dlib 1 have the same version"):
        ModelRegistry([model("SFace", "1"), model("Dlib", "1")])


@pytest.mark.parametrize(
    "changes",
    [{"file_name": "../etc/passwd"}, {"version": "a b"}, {"landmark_layout": "round"}, {"zoom": 0.0}],
)
def test_what_becomes_a_path_or_a_crop_is_checked(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        msgspec.structs.replace(model("SFace", "1"), **changes).__post_init__()


def test_the_list_says_what_each_model_is_good_for() -> None:
    def place(manifest: ModelManifest) -> str:
        if manifest.name == "Gone":
            raise ModelRefused("gone.onnx is missing")
        return "proven in cache"

    manifests = [model("Free", "1"), model("Gone", "2"), model("Closed", "3", licence="CC-BY-NC-4.0")]
    listed = list_models(manifests, place)
    assert [one.state for one in listed] == [
        ModelState.UNCALIBRATED,
        ModelState.REFUSED_WEIGHTS,
        ModelState.REFUSED_LICENCE,
    ]
    assert "calibrate --model Free" in listed[0].detail
    assert listed[1].detail == "gone.onnx is missing"
