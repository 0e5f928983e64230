import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from recognition_worker.adapters.embedders.deepface_sface_embedder import DeepFaceSFaceEmbedder
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.domain.alignment import fit_similarity
from recognition_worker.errors import ModelRefused


def synthetic_crops(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(11)
    coarse = random.integers(0, 256, (count, 14, 14, 3), np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


def directly(files: ModelFiles, crops: list[np.ndarray]) -> np.ndarray:
    """SFace on ONNX Runtime without DeepFace: RGB, 0 to 255, channels first."""
    session = onnxruntime.InferenceSession(str(files.sface_file), providers=["CPUExecutionProvider"])
    blob = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    raw = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(blob)})[0]
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def test_embeddings_are_of_unit_norm_and_a_batch_equals_singles(vision: Any) -> None:
    crops = synthetic_crops(5)
    batch = vision.embedder.embed(crops)
    assert (batch.shape, batch.dtype) == ((5, 128), np.float32)
    np.testing.assert_allclose(np.linalg.norm(batch, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(batch, np.concatenate([vision.embedder.embed([crop]) for crop in crops]))
    assert vision.embedder.embed([]).shape == (0, 128)
    assert vision.embedder.model == vision.files.manifest.model


def test_deepface_gives_what_the_model_itself_gives(vision: Any) -> None:
    crops = synthetic_crops(4)
    cosines = (vision.embedder.embed(crops) * directly(vision.files, crops)).sum(axis=1)
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)


def test_every_grey_level_reaches_the_model_unchanged() -> None:
    # DeepFace takes [0, 1] and cuts `value * 255` off to bytes again.
    levels = np.arange(256, dtype=np.uint8)
    as_given = levels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal((as_given * 255).astype(np.uint8), levels)


def test_threads_share_one_model(vision: Any) -> None:
    crops = synthetic_crops(12)
    alone = vision.embedder.embed(crops)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda crop: vision.embedder.embed([crop])[0], crops))
    np.testing.assert_array_equal(np.array(together), alone)


def test_a_process_loads_neither_tensorflow_nor_a_thread_pool(model_files: ModelFiles) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from recognition_worker.adapters.models.packaged_models import prepare_models\n"
        "from recognition_worker.adapters.vision.opencv_vision import OpenCvYuNet\n"
        "from recognition_worker.adapters.vision.yunet_detector import YuNetDetector\n"
        "from recognition_worker.adapters.embedders.deepface_sface_embedder import DeepFaceSFaceEmbedder\n"
        "files = prepare_models(pathlib.Path(sys.argv[1]))\n"
        "import onnxruntime  # its import starts one thread of its own\n"
        "import numpy; crop = numpy.zeros((112, 112, 3), numpy.uint8)\n"
        "detector = YuNetDetector(OpenCvYuNet(files.yunet_file))\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "embedder = DeepFaceSFaceEmbedder(files)\n"
        "embedder.embed([crop]); detector.detect(crop)\n"
        "print(len(os.listdir('/proc/self/task')) - before, 'tensorflow' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(model_files.deepface_home)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.split() == ["0", "False"]


def test_missing_weights_are_refused_and_not_downloaded(model_files: ModelFiles, tmp_path: Path) -> None:
    missing = replace(model_files, weights_file=tmp_path / "none.onnx", deepface_home=tmp_path)
    with pytest.raises(ModelRefused, match="nothing is downloaded"):
        DeepFaceSFaceEmbedder(missing)
    assert not list(tmp_path.iterdir())


def test_one_person_is_closer_than_another(vision: Any, faces_dir: Path) -> None:
    crops = []
    for person in sorted(faces_dir.glob("known/*"))[:10]:
        for number in ("1", "3"):
            pixels = vision.decoder.decode((person / f"{number}.jpg").read_bytes()).pixels
            face = vision.detector.detect(pixels)[0]
            crops.append(vision.cropper.crop(pixels, fit_similarity(face.landmarks), 112))
    embeddings = vision.embedder.embed(crops)
    np.testing.assert_allclose((embeddings * directly(vision.files, crops)).sum(axis=1), 1.0, atol=1e-6)
    scores = embeddings[::2] @ embeddings[1::2].T
    assert (scores.argmax(axis=1) == np.arange(10)).all()
