"""The command `calibrate`: an evaluation with the production gate, and the thresholds that follow."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from recognition_worker.adapters.models.manifest_files import write_manifest
from recognition_worker.commands.evaluate import (
    add_photos,
    add_shared,
    load_pipeline,
    photo_counts,
    positive_count,
    print_json,
    refusing,
    score,
    share,
)
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.adapters.console import progress, show_calibration, show_template_choices
from recognition_worker.evaluation.adapters.photo_folders import photos_sha256, read_people
from recognition_worker.evaluation.calibrate_model import TARGET_FPIRS, Calibration, Rules, calibrate
from recognition_worker.evaluation.compare_templates import (
    TemplateChoice,
    compare_templates,
    people_for_templates,
)
from recognition_worker.evaluation.domain.evaluation import LOWEST_THRESHOLD
from recognition_worker.evaluation.evaluate_model import EvaluateModel, PersonPhotos

_TEMPLATES_FPIR = 0.01


def add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `calibrate`; its `execute` takes the parsed arguments and returns the exit code."""
    parser = commands.add_parser("calibrate", help="propose a model's thresholds by gallery size")
    add_photos(parser, strangers_needed=True)
    parser.add_argument(
        "--enrol", type=positive_count, default=2, help="how many photos enrol a person (default 2)"
    )
    parser.add_argument(
        "--target-fpir",
        type=share,
        nargs="+",
        default=TARGET_FPIRS,
        help=f"shares of strangers accepted (default {' '.join(map(str, TARGET_FPIRS))})",
    )
    parser.add_argument("--floor", type=score, default=-1.0, help="no threshold lies below this score")
    parser.add_argument("--floor-reason", default="", help="why; kept with the thresholds")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the thresholds, as a manifest")
    parser.add_argument(
        "--templates",
        action="store_true",
        help="measure the choices of templates instead: photos, rules, mirroring (people with four photos)",
    )
    add_shared(parser)
    parser.set_defaults(execute=partial(refusing, _calibrate))


def _calibrate(arguments: argparse.Namespace) -> int:
    known, unknown = read_people(arguments.known), read_people(arguments.unknown)
    if arguments.templates:
        choices = _choices(known, unknown, arguments)
        if arguments.json:
            print_json({"target_fpir": _TEMPLATES_FPIR, "templates": [asdict(choice) for choice in choices]})
        else:
            show_template_choices(choices, _TEMPLATES_FPIR)
        return 0
    calibration, manifest = _calibration(known, unknown, arguments)
    if arguments.write:
        write_manifest(arguments.write, calibration.calibrated(manifest, _source(arguments, known, unknown)))
        sys.stderr.write(f"thresholds: {arguments.write}\n")
    if arguments.json:
        print_json(calibration.as_json())
    else:
        show_calibration(calibration)
    return 0


def _calibration(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], arguments: argparse.Namespace
) -> tuple[Calibration, ModelManifest]:
    if 0.0 in arguments.target_fpir:
        raise EvaluationRefused("no threshold keeps every stranger out: a --target-fpir above 0 is needed")
    if (arguments.floor > LOWEST_THRESHOLD) != bool(arguments.floor_reason):
        raise EvaluationRefused("--floor and --floor-reason go together: say why, it is kept with them")
    pipeline = load_pipeline("worker", arguments, gate=True)
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    with progress("worker", photo_counts(known, unknown, arguments.enrol)) as on_photos:
        measured = evaluate(known, unknown, enrol_count=arguments.enrol, on_photos=on_photos)
    rules = Rules(
        target_fpirs=tuple(dict.fromkeys(arguments.target_fpir)),
        floor=arguments.floor,
        floor_reason=arguments.floor_reason,
    )
    return calibrate(measured, pipeline.manifest, rules), pipeline.manifest


def _source(
    arguments: argparse.Namespace, known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos]
) -> dict[str, str | int | float]:
    """Return where the thresholds come from. No paths: the digests say which photos, on any machine."""
    return {
        "command": f"python -m recognition_worker calibrate --enrol {arguments.enrol}",
        "known_people": len(known),
        "known_photos": sum(len(person.photos) for person in known),
        "known_photos_sha256": photos_sha256(arguments.known),
        "stranger_people": len(unknown),
        "stranger_photos": sum(len(person.photos) for person in unknown),
        "stranger_photos_sha256": photos_sha256(arguments.unknown),
    }


def _choices(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], arguments: argparse.Namespace
) -> list[TemplateChoice]:
    taking_part = people_for_templates(known)
    count = sum(len(person.photos) for person in (*taking_part, *unknown))
    names = {False: "plain", True: "mirrored"}
    choices: list[TemplateChoice] = []
    with progress("worker", dict.fromkeys(names.values(), count)) as on_photos:
        for mirrored, name in names.items():
            pipeline = load_pipeline("worker", arguments, mirrored=mirrored)
            choices += compare_templates(
                pipeline.encoder,
                taking_part,
                unknown,
                mirrored=mirrored,
                target_fpir=_TEMPLATES_FPIR,
                on_photos=partial(on_photos, name),
            )
    return choices
