"""The whole of recognition, from bytes to outcome, on photos of real people."""

import time
from pathlib import Path

from recognition_worker.adapters.evaluated_pipelines import worker_pipeline
from recognition_worker.adapters.packaged_models import ModelFiles
from recognition_worker.adapters.photo_folders import read_people
from recognition_worker.domain.decision import Outcome, decide
from recognition_worker.evaluate_model import Attempt, EvaluateModel


def test_enrolled_people_are_found_and_strangers_are_not(model_files: ModelFiles, faces_dir: Path) -> None:
    pipeline = worker_pipeline(model_files.deepface_home, gate=True)
    people = read_people(faces_dir / "known")[::3]
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    measured = evaluate(people, read_people(faces_dir / "unknown")[:40], enrol_count=2)
    thresholds = pipeline.manifest.thresholds(len(measured.enrolled))

    def identified_as(attempt: Attempt) -> str | None:
        decision = decide(attempt.best, thresholds)
        return decision.person_id if decision.outcome is Outcome.IDENTIFIED else None

    found = [(attempt.person_id, identified_as(attempt)) for attempt in measured.probes]
    assert len(measured.enrolled) >= 0.95 * len(people)
    assert [pair for pair in found if pair[1] not in (None, pair[0])] == []
    assert sum(who is not None for _, who in found) >= 0.95 * len(found)
    assert [identified_as(attempt) for attempt in measured.strangers] == [None] * 40
