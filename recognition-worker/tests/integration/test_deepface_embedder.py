"""Dlib through DeepFace's client: the second real model, whose input is neither 112 pixels nor ArcFace's."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dlib
import msgspec
import numpy as np
import pytest

from recognition_worker.adapters.embedders.deepface_sface_embedder import DeepFaceEmbedder
from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.adapters.vision.opencv_vision import (
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.alignment import fit_similarity
from recognition_worker.domain.face import Pixels
from recognition_worker.errors import ModelRefused


@pytest.fixture(scope="module")
def files(model_files: ModelFiles) -> ModelFiles:
    return prepare_models(model_files.deepface_home, read_registry().find("Dlib"))


@pytest.fixture(scope="module")
def embedder(files: ModelFiles) -> DeepFaceEmbedder:
    return DeepFaceEmbedder(files)


@pytest.fixture(scope="module")
def crops(files: ModelFiles, faces_dir: Path) -> list[Pixels]:
    """Aligned as Dlib wants it, photos 1 and 3 of ten people."""
    decoder, cropper = OpenCvImageDecoder(), OpenCvFaceCropper()
    detector, template = YuNetDetector(OpenCvYuNet(files.yunet_file)), files.manifest.layout
    found = []
    for person in sorted(faces_dir.glob("known/*"))[:10]:
        for number in ("1", "3"):
            pixels = decoder.decode((person / f"{number}.jpg").read_bytes()).pixels
            landmarks = detector.detect(pixels)[0].landmarks
            found.append(cropper.crop(pixels, fit_similarity(landmarks, template.points), template.size))
    return found


def test_the_embeddings_are_dlibs_own(embedder: DeepFaceEmbedder, crops: list[Pixels]) -> None:
    package = importlib.util.find_spec("face_recognition_models")
    assert package is not None
    assert package.submodule_search_locations is not None
    weights = (
        Path(package.submodule_search_locations[0]) / "models" / "dlib_face_recognition_resnet_model_v1.dat"
    )
    model = dlib.face_recognition_model_v1(str(weights))
    directly = np.array(
        [model.compute_face_descriptor(np.ascontiguousarray(crop[..., ::-1])) for crop in crops[:4]]
    )
    directly /= np.linalg.norm(directly, axis=1, keepdims=True)
    embeddings = embedder.embed(crops[:4])
    assert (embeddings.shape, embeddings.dtype) == ((4, 128), np.float32)
    np.testing.assert_allclose((embeddings * directly).sum(axis=1), 1.0, atol=1e-5)


def test_the_nearest_face_is_the_same_person(embedder: DeepFaceEmbedder, crops: list[Pixels]) -> None:
    embeddings = embedder.embed(crops)
    scores = embeddings[::2] @ embeddings[1::2].T
    assert (scores.argmax(axis=1) == np.arange(10)).sum() >= 9


def test_threads_share_one_embedder(embedder: DeepFaceEmbedder, crops: list[Pixels]) -> None:
    alone = embedder.embed(crops[:8])
    with ThreadPoolExecutor(4) as pool:
        together = np.concatenate(list(pool.map(lambda crop: embedder.embed([crop]), crops[:8])))
    np.testing.assert_array_equal(together, alone)
    assert embedder.embed([]).shape == (0, 128)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"input_size": 112}, "takes crops of .*150.*, the manifest of Dlib resnet-v1 says 112"),
        ({"dimensions": 512}, "gives 128 dimensions, its manifest says 512"),
        ({"client": "NoSuchModel"}, "DeepFace cannot run NoSuchModel here"),
    ],
)
def test_a_manifest_that_does_not_fit_the_model_is_refused(
    files: ModelFiles, changes: dict[str, object], why: str
) -> None:
    manifest = msgspec.structs.replace(files.manifest, **changes)
    with pytest.raises(ModelRefused, match=why):
        DeepFaceEmbedder(ModelFiles(manifest, files.deepface_home, files.weights_file, files.yunet_file))
