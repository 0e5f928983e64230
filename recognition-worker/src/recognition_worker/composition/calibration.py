"""The command `calibrate`: an evaluation with the production gate, and the thresholds that follow."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from recognition_worker.adapters.models.manifest_files import write_manifest
from recognition_worker.composition.answer import Answer
from recognition_worker.composition.evaluation import load_pipeline, measure
from recognition_worker.evaluation.adapters.photo_folders import photos_sha256, read_people
from recognition_worker.evaluation.adapters.terminal import progress, show_calibration, show_template_choices
from recognition_worker.evaluation.calibrate_model import Rules
from recognition_worker.evaluation.calibrate_model import calibrate as propose
from recognition_worker.evaluation.compare_templates import (
    TemplateChoice,
    compare_templates,
    people_for_templates,
)
from recognition_worker.evaluation.evaluate_model import PersonPhotos
from recognition_worker.settings import ModelChoice, PipelineChoice

_TEMPLATES_FPIR = 0.01


def calibrate(
    choice: ModelChoice,
    known: Path,
    unknown: Path,
    *,
    enrol: int,
    target_fpirs: Sequence[float],
    floor: float,
    floor_reason: str,
    write: Path | None,
) -> Answer:
    """Propose thresholds by gallery size, and write them into a manifest when `write` names one."""
    people, strangers = read_people(known), read_people(unknown)
    pipeline = load_pipeline(PipelineChoice.WORKER, choice, gate=True)
    measured = measure(pipeline, PipelineChoice.WORKER, people, strangers, enrol)
    rules = Rules(target_fpirs=tuple(dict.fromkeys(target_fpirs)), floor=floor, floor_reason=floor_reason)
    calibration = propose(measured, pipeline.manifest, rules)
    if write:
        # No paths: the digests say which photos, on any machine.
        source: dict[str, str | int | float] = {
            "command": f"recognition-worker calibrate --enrol {enrol}",
            "known_people": len(people),
            "known_photos": _photo_count(people),
            "known_photos_sha256": photos_sha256(known),
            "stranger_people": len(strangers),
            "stranger_photos": _photo_count(strangers),
            "stranger_photos_sha256": photos_sha256(unknown),
        }
        write_manifest(write, calibration.calibrated(pipeline.manifest, source))
        sys.stderr.write(f"thresholds: {write}\n")
    return Answer(partial(show_calibration, calibration), calibration.as_json)


def compare_choices(choice: ModelChoice, known: Path, unknown: Path) -> Answer:
    """Measure the choices of templates: photos, rules, mirroring."""
    taking_part, strangers = people_for_templates(read_people(known)), read_people(unknown)
    count = _photo_count([*taking_part, *strangers])
    names = {False: "plain", True: "mirrored"}
    choices: list[TemplateChoice] = []
    with progress(PipelineChoice.WORKER, dict.fromkeys(names.values(), count)) as on_photos:
        for mirrored, name in names.items():
            pipeline = load_pipeline(PipelineChoice.WORKER, choice, mirrored=mirrored)
            choices += compare_templates(
                pipeline.encoder,
                taking_part,
                strangers,
                mirrored=mirrored,
                target_fpir=_TEMPLATES_FPIR,
                on_photos=partial(on_photos, name),
            )
    return Answer(
        partial(show_template_choices, choices, _TEMPLATES_FPIR),
        lambda: {"target_fpir": _TEMPLATES_FPIR, "templates": [asdict(one) for one in choices]},
    )


def _photo_count(people: Sequence[PersonPhotos]) -> int:
    return sum(len(person.photos) for person in people)
