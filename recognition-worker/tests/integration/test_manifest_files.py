from pathlib import Path

import msgspec
import pytest

from recognition_worker.adapters.models.manifest_files import read_calibration, write_manifest
from recognition_worker.adapters.models.packaged_models import packaged_manifest
from recognition_worker.domain.operating_point import OperatingPoint
from recognition_worker.errors import EvaluationRefused, ModelRefused

POINTS = tuple(
    OperatingPoint(size, score, 0.05, 0.4, 'a "tail"', target, (0.4, 0.6), 0.96)
    for target in (0.001, 0.003)
    for size, score in ((200, 0.5), (2000, 0.6))
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = msgspec.structs.replace(
        packaged_manifest(), operating_points=POINTS, evaluation={"command": "calibrate", "people": 194}
    )
    file = tmp_path / "new" / "own.toml"
    write_manifest(file, made)
    assert read_calibration(file) == made
    assert packaged_manifest().calibrated_by(read_calibration(file)).for_target(0.001).thresholds(2000) == (
        POINTS[1].thresholds
    )
    assert [path.name for path in file.parent.iterdir()] == ["own.toml"]


def test_a_missing_calibration_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"nowhere.toml cannot be read.*calibrate --write"):
        read_calibration(tmp_path / "nowhere.toml")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationRefused, match="name another --write"):
        write_manifest(tmp_path / "file" / "own.toml", packaged_manifest())
