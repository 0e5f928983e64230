"""Whatever computes YuNet finds the faces that OpenCV finds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.adapters.vision.opencv_vision import OpenCvYuNet
from recognition_worker.adapters.vision.openvino_yunet import OpenVinoYuNet
from recognition_worker.errors import ModelRefused

DrawnFace = Callable[..., np.ndarray]
# Of coordinates in pixels, and of scores.
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def opencv(model_files: ModelFiles) -> OpenCvYuNet:
    return OpenCvYuNet(model_files.yunet_file)


@pytest.fixture(scope="module")
def openvino(model_files: ModelFiles) -> OpenVinoYuNet:
    return OpenVinoYuNet(model_files.yunet_file)


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("height", "width"), [(90, 160), (160, 90), (128, 128), (180, 320), (241, 319), (360, 640)]
)
def test_faces_of_all_sizes_anywhere(
    opencv: OpenCvYuNet, openvino: OpenVinoYuNet, drawn_face: DrawnFace, height: int, width: int
) -> None:
    drawn = np.random.default_rng(height)
    seen = 0
    for seed in range(12):
        middle = drawn.uniform(0, width), drawn.uniform(0, height)
        image = drawn_face(height, width, middle, drawn.uniform(0.2, height / 180), seed)
        expected = opencv.search(image, max(height, width))
        assert_alike(openvino.search(image, max(height, width)), expected)
        seen += len(expected)
    assert seen >= 6


def test_several_faces_come_in_the_same_order(
    opencv: OpenCvYuNet, openvino: OpenVinoYuNet, drawn_face: DrawnFace
) -> None:
    image = np.hstack([drawn_face(240, 160, (80, 120), size, seed=1) for size in (0.5, 1.0, 0.8, 0.3)])
    expected = opencv.search(image, 640)
    assert len(expected) == 4
    assert_alike(openvino.search(image, 640), expected)


@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (128, 128)])
def test_nobody_is_no_row(openvino: OpenVinoYuNet, shape: tuple[int, int]) -> None:
    assert openvino.search(np.full((*shape, 3), 127, np.uint8), 160).shape == (0, 15)


def test_shapes_beyond_those_that_are_kept(
    model_files: ModelFiles, opencv: OpenCvYuNet, drawn_face: DrawnFace
) -> None:
    few = OpenVinoYuNet(model_files.yunet_file, most_shapes=2)
    for height, width in ((96, 128), (160, 64), (64, 160), (96, 128)):
        image = drawn_face(height, width, (width / 2, height / 2), 0.3)
        expected = opencv.search(image, 160)
        assert len(expected) == 1
        assert_alike(few.search(image, 160), expected)


def test_four_threads_find_what_one_finds(openvino: OpenVinoYuNet, drawn_face: DrawnFace) -> None:
    images = [drawn_face(128, 128, (64, 64), 0.4 + seed / 100, seed) for seed in range(40)]
    alone = [openvino.search(image, 128).tolist() for image in images]
    assert all(alone)
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda image: openvino.search(image, 128), images)
        assert [found.tolist() for found in together] == alone


def test_photos(opencv: OpenCvYuNet, openvino: OpenVinoYuNet, photos: list[Path]) -> None:
    for photo in photos:
        image = cv2.resize(np.asarray(cv2.imread(str(photo))), (160, 160), interpolation=cv2.INTER_AREA)
        assert_alike(openvino.search(image, 160), opencv.search(image, 160))


@pytest.mark.parametrize("kind", [OpenCvYuNet, OpenVinoYuNet])
def test_a_file_that_is_no_model_is_refused(kind: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelRefused, match=r"cannot load the face detector yunet\.onnx"):
        kind(tmp_path / "yunet.onnx")
