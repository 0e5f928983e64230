import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recognition_worker.adapters.vision.known_images import KNOWN_IMAGES
from recognition_worker.adapters.vision.opencv_vision import (
    DecodingLimits,
    OpenCvFaceCropper,
    OpenCvImageDecoder,
    OpenCvYuNet,
)
from recognition_worker.adapters.vision.yunet_detector import YuNetDetector
from recognition_worker.domain.alignment import fit_similarity
from recognition_worker.domain.face import DetectedFace
from recognition_worker.domain.image_header import read_header
from recognition_worker.domain.turned_images import QUARTER_TURNS, turned_clockwise
from recognition_worker.errors import ModelRefused, UndecodableImage

DECODER = OpenCvImageDecoder()


def encoded(kind: str, pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(kind, pixels)[1])


def arrow(height: int = 60, width: int = 90) -> np.ndarray:
    """An image of which no two orientations look alike."""
    made = np.zeros((height, width, 3), np.uint8)
    made[: height // 2, : width // 3] = (255, 0, 0)
    made[height // 2 :, : width // 3] = (0, 255, 0)
    made[: height // 2, 2 * width // 3 :] = (0, 0, 255)
    return made


# What a camera stored for an upright scene, per EXIF orientation: row 0 and column 0 of the stored image are
# the scene's (top, left), (top, right), (bottom, right), (bottom, left), (left, top), (right, top),
# (right, bottom), (left, bottom).
STORED = {
    1: lambda scene: scene,
    2: lambda scene: scene[:, ::-1],
    3: lambda scene: scene[::-1, ::-1],
    4: lambda scene: scene[::-1],
    5: lambda scene: scene.transpose(1, 0, 2),
    6: lambda scene: scene.transpose(1, 0, 2)[::-1],
    7: lambda scene: scene[::-1, ::-1].transpose(1, 0, 2),
    8: lambda scene: scene.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation](arrow()))
    found = DECODER.decode(encoded(".png", stored), orientation)
    np.testing.assert_array_equal(found.pixels, arrow())


@pytest.mark.parametrize("degrees", QUARTER_TURNS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_cameras_turn_is_one_more_turn_after_that_of_its_orientation(
    orientation: int, degrees: int
) -> None:
    stored = encoded(".png", arrow())
    found = DECODER.decode(stored, turned_clockwise(orientation, degrees)).pixels
    upright = DECODER.decode(stored, orientation).pixels
    np.testing.assert_array_equal(found, np.rot90(upright, -degrees // 90))


def test_an_impossible_orientation_is_refused_of_a_turned_camera_too() -> None:
    with pytest.raises(UndecodableImage, match="orientation 9"):
        DECODER.decode(encoded(".png", arrow()), turned_clockwise(9, 90))


def test_the_orientation_of_the_event_counts_not_the_files(tmp_path: Path) -> None:
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    app1 = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    jpeg = encoded(".jpg", arrow())
    with_exif = jpeg[:2] + app1 + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(with_exif, np.uint8), cv2.IMREAD_COLOR).shape == (90, 60, 3)
    assert DECODER.decode(with_exif, 1).pixels.shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("kind", "pixels"),
    [
        (".png", arrow()[..., 0]),
        (".png", np.dstack([arrow(), np.full((60, 90), 7, np.uint8)])),
        (".png", arrow().astype(np.uint16) * 257),
        (".jpg", arrow()),
        (".jpg", arrow()[..., 0]),
        (".webp", arrow()),
    ],
    ids=["grey", "alpha", "16 bit", "jpeg", "grey jpeg", "webp"],
)
def test_every_kind_becomes_8_bit_colour(kind: str, pixels: np.ndarray) -> None:
    found = DECODER.decode(encoded(kind, pixels)).pixels
    assert (found.dtype, found.shape) == (np.uint8, (60, 90, 3))
    expected = arrow() if pixels.ndim == 3 else np.repeat(arrow()[..., :1], 3, axis=2)
    assert np.abs(found.astype(int) - expected).mean() < 12


@pytest.mark.parametrize(("width", "reduction"), [(1280, 1), (2559, 1), (2560, 2), (5120, 4), (12000, 8)])
def test_large_images_are_shrunk_while_decoding(width: int, reduction: int) -> None:
    found = DECODER.decode(encoded(".jpg", np.zeros((64, width, 3), np.uint8)))
    assert found.reduction == reduction
    assert found.pixels.shape[1] == -(-width // reduction)


def png_bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "orientation", "why"),
    [
        (b"", 1, "not JPEG"),
        (b"<svg/>", 1, "not JPEG"),
        (encoded(".jpg", arrow())[:-40], 1, "cut off"),
        (png_bomb(30_000, 30_000), 1, "30000 x 30000"),
        (png_bomb(100, 100)[:60], 1, "damaged"),
        (encoded(".png", np.zeros((8, 400, 3), np.uint8)), 1, "no face fits"),
        (encoded(".jpg", arrow()), 9, "orientation 9"),
    ],
)
def test_what_cannot_be_decoded_says_why(data: bytes, orientation: int, why: str) -> None:
    with pytest.raises(UndecodableImage, match=why) as undecodable:
        DECODER.decode(data, orientation)
    assert undecodable.value.others_pass


def test_the_limits_are_settable() -> None:
    strict = OpenCvImageDecoder(DecodingLimits(most_bytes=100))
    with pytest.raises(UndecodableImage, match="100 are allowed"):
        strict.decode(encoded(".png", np.random.default_rng(1).integers(0, 255, (60, 60, 3), np.uint8)))


def test_a_decoder_that_decodes_nothing_does_not_blame_the_image() -> None:
    with pytest.raises(UndecodableImage) as undecodable:
        OpenCvImageDecoder(DecodingLimits(most_pixels=1)).decode(encoded(".jpg", arrow()))
    assert not undecodable.value.others_pass


@pytest.mark.parametrize("image", KNOWN_IMAGES)
def test_known_images_are_of_each_type_and_a_gradient(image: bytes) -> None:
    assert len({read_header(each).media_type for each in KNOWN_IMAGES}) == len(KNOWN_IMAGES)
    found = DECODER.decode(image).pixels
    assert found[4, 28, 2] > found[28, 4, 2] + 100
    assert found[28, 4, 1] > found[4, 28, 1] + 100


def test_there_is_no_face_in_noise(vision: Any) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (720, 1280, 3), np.uint8)
    assert vision.detector.detect(noise) == ()
    assert vision.detector.detect(noise, thorough=True) == ()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelRefused, match=r"cannot load the face detector yunet\.onnx"):
        YuNetDetector(OpenCvYuNet(tmp_path / "yunet.onnx"))


def test_the_crop_follows_the_transform() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    landmarks = np.array([[70, 80], [120, 80], [95, 110], [75, 140], [115, 140]], np.float32)
    for x, y in landmarks.astype(int):
        cv2.circle(image, (int(x), int(y)), 3, (255, 255, 255), -1)
    transform = fit_similarity(landmarks)
    crop = OpenCvFaceCropper().crop(image, transform, 112)
    assert crop.shape == (112, 112, 3)
    for x, y in transform.apply(landmarks).round().astype(int):
        assert crop[y, x].min() > 200


def photos(faces_dir: Path, count: int) -> list[np.ndarray]:
    files = sorted(faces_dir.glob("known/*/3.jpg"))[:count]
    return [DECODER.decode(file.read_bytes()).pixels for file in files]


def facts(faces: tuple[DetectedFace, ...]) -> list[tuple[object, ...]]:
    return [(face.box, face.confidence, face.landmarks.tolist()) for face in faces]


def test_four_threads_find_what_one_finds(vision: Any, faces_dir: Path) -> None:
    images = photos(faces_dir, 40)
    alone = [facts(vision.detector.detect(image)) for image in images]
    assert all(alone)
    with ThreadPoolExecutor(4) as pool:
        for together in (list(pool.map(vision.detector.detect, images)) for _ in range(3)):
            assert [facts(faces) for faces in together] == alone


def test_landmarks_come_back_to_full_resolution(vision: Any, faces_dir: Path) -> None:
    for image in photos(faces_dir, 10):
        large = cv2.resize(image, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
        (small_face, *_), (large_face, *_) = vision.detector.detect(image), vision.detector.detect(large)
        # Another size moves YuNet's points by a few percent of the face; a wrong scale moves them far.
        a_tenth = small_face.box.width * 5 / 10
        np.testing.assert_allclose(large_face.landmarks, small_face.landmarks * 5, atol=a_tenth)


def test_a_face_too_small_for_the_first_look_is_found_by_the_second(vision: Any, faces_dir: Path) -> None:
    image = photos(faces_dir, 1)[0]
    scene = np.full((1080, 1920, 3), 90, np.uint8)
    scene[500:600, 900:1000] = cv2.resize(image, (100, 100), interpolation=cv2.INTER_AREA)
    (face,) = vision.detector.detect(scene)
    assert 30 <= face.box.width <= 50
    assert 900 <= face.box.centre[0] <= 1000
    assert 500 <= face.box.centre[1] <= 600
