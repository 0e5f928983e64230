"""The command as it is typed, on some of the photos."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.evaluation.adapters.photo_folders import read_people

KEYS = [
    "model", "enrolled", "probes", "strangers", "fta", "rank1", "target_fpir", "threshold", "fnir", "fpir",
    "images_per_second", "stages_ms",
]  # fmt: skip
PEOPLE = 20
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def photos(faces_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for part in ("known", "unknown"):
        (folder / part).mkdir()
        for person in sorted((faces_dir / part).iterdir())[:PEOPLE]:
            (folder / part / person.name).symlink_to(person)
    return folder


@pytest.fixture
def run(model_files: ModelFiles) -> Run:
    environment = {**os.environ, "RECOGNITION_WORKER_MODEL_CACHE": str(model_files.deepface_home)}

    def running(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "recognition_worker", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=200, check=False, env=environment
        )

    return running


def test_json_has_the_figures_of_the_protocol(run: Run, photos: Path) -> None:
    done = run("evaluate", "--known", photos / "known", "--unknown", photos / "unknown", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found)[: len(KEYS)] == KEYS
    counts = [len(person.photos) for person in read_people(photos / "known")]
    assert (found["enrolled"], found["probes"]) == (PEOPLE, sum(counts) - PEOPLE)
    assert (found["strangers"], found["fta"], found["pipeline"]) == (PEOPLE, 0.0, "worker")
    assert found["rank1"] >= 0.95
    assert found["fnir_interval"]["low"] <= found["fnir"] <= found["fnir_interval"]["high"]
    assert set(found["stages_ms"]) == {"decode", "detect", "align", "quality", "embed", "search"}


def test_deepfaces_own_crop_is_far_behind_and_downloads_nothing(
    run: Run, photos: Path, tmp_path: Path, model_files: ModelFiles
) -> None:
    arguments = (
        "--known",
        photos / "known",
        "--unknown",
        photos / "unknown",
        "--pipeline",
        "deepface",
        "--json",
    )
    done = run("evaluate", *arguments, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["pipeline"], found["beside"]["pipeline"]) == ("deepface", "worker")
    assert found["model"] == found["beside"]["model"]
    assert found["gap"]["rank1"] == found["beside"]["rank1"] - found["rank1"] > 0.1
    report = (tmp_path / "evaluation.html").read_text()
    assert report.count("<svg") == 3
    assert "<script" not in report
    assert {file.name for file in model_files.sface_file.parent.iterdir()} == {
        "face_recognition_sface_2021dec.onnx",
        "face_detection_yunet_2023mar.onnx",
    }


def test_pairs_of_a_folder_are_verified(run: Run, photos: Path, tmp_path: Path) -> None:
    names = [person.person_id for person in read_people(photos / "known")]
    lines = ["2 10"]
    for fold in range(2):
        ours = names[10 * fold : 10 * fold + 10]
        lines += [f"{name} 1 2" for name in ours]
        lines += [f"{name} 1 {other} 2" for name, other in zip(ours, [*ours[1:], ours[0]], strict=True)]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join(lines))
    done = run("evaluate", "--known", photos / "known", "--pairs", pairs, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["pairs"], found["photos"], len(found["folds"])) == (40, 40, 2)
    assert found["accuracy"] >= 0.9
    assert found["eer"] <= 0.1


def test_a_calibration_needs_more_people_than_these(run: Run, photos: Path) -> None:
    done = run("calibrate", "--known", photos / "known", "--unknown", photos / "unknown")
    assert (done.returncode, done.stdout) == (2, "")
    assert "calibrate with more people" in done.stderr


def test_a_floor_without_a_reason_is_refused(run: Run, photos: Path) -> None:
    folders = ("--known", photos / "known", "--unknown", photos / "unknown")
    done = run("calibrate", *folders, "--floor", "0.5")
    assert (done.returncode, done.stdout) == (2, "")
    assert "say why" in done.stderr


def test_the_quality_gate_is_measured(run: Run, photos: Path) -> None:
    done = run(
        "evaluate", "--quality", "--known", photos / "known", "--unknown", photos / "unknown", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["people"], found["strangers"]) == (PEOPLE, PEOPLE)
    for place in ("match", "enrolment"):
        assert 0 <= found[place]["all_reasons"]["successes_lost"] < 0.2
    assert found["match"]["photos_refused"] <= found["enrolment"]["photos_refused"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--known", "nowhere", "--unknown", "nowhere"), "nowhere is no folder"),
        (("--known", "."), "strangers are missing"),
        (("--known", ".", "--pairs", "nowhere.txt"), "nowhere.txt cannot be read"),
        (("--known", ".", "--gate", "--pipeline", "deepface"), "--gate is the worker's"),
        (("--known", ".", "--quality", "--pipeline", "deepface"), "DeepFace has no such gate"),
        (("--known", ".", "--quality", "--out", "x"), "--quality takes no"),
        (("--known", ".", "--enrol", "0"), "at least one photo must enrol"),
        (("--known", ".", "--target-fpir", "1.5"), "a share from 0 to 1"),
    ],
)
def test_what_makes_no_evaluation_is_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("evaluate", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
