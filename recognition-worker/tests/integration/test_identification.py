"""The whole of recognition, from bytes to outcome, on photos of real people."""

from pathlib import Path

from recognition_worker.adapters.packaged_models import ModelFiles
from recognition_worker.calibrate import Calibration, identified_as
from recognition_worker.domain.identity import PersonId


def test_enrolled_people_are_found_and_strangers_are_not(model_files: ModelFiles, faces_dir: Path) -> None:
    calibration = Calibration(model_files.deepface_home)
    people = sorted(faces_dir.glob("known/*"))[::3]
    for folder in people:
        calibration.enrol(PersonId(folder.name), [folder / "1.jpg", folder / "2.jpg"])
    found = {
        folder.name: identified_as(calibration.attempt(PersonId(folder.name), folder / "3.jpg"))
        for folder in people
        if folder.name in calibration.enrolled
    }
    strangers = [
        identified_as(calibration.attempt(PersonId(folder.name), folder / "1.jpg"))
        for folder in sorted(faces_dir.glob("unknown/*"))[:40]
    ]
    assert len(found) >= 0.95 * len(people)
    assert {name: who for name, who in found.items() if who not in (None, name)} == {}
    assert sum(who is not None for who in found.values()) >= 0.95 * len(found)
    assert strangers == [None] * 40
