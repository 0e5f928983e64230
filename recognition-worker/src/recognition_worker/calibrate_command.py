"""The command `calibrate`: an evaluation with the production gate, and the thresholds that follow."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from recognition_worker.adapters.evaluation_console import progress, show_calibration, show_template_choices
from recognition_worker.adapters.photo_folders import read_people
from recognition_worker.calibrate_model import Calibration, calibrate
from recognition_worker.compare_templates import TemplateChoice, compare_templates, people_for_templates
from recognition_worker.evaluate_command import (
    add_photos,
    add_shared,
    load_pipeline,
    photo_counts,
    positive_count,
    print_json,
    refusing,
    share,
)
from recognition_worker.evaluate_model import EvaluateModel, PersonPhotos

_TEMPLATES_FPIR = 0.01


def add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `calibrate`; its `execute` takes the parsed arguments and returns the exit code."""
    parser = commands.add_parser("calibrate", help="propose a model's thresholds by gallery size")
    add_photos(parser, strangers_needed=True)
    parser.add_argument(
        "--enrol", type=positive_count, default=2, help="how many photos enrol a person (default 2)"
    )
    parser.add_argument(
        "--target-fpir", type=share, default=0.003, help="share of strangers accepted (default 0.003)"
    )
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
    calibration = _calibration(known, unknown, arguments)
    if arguments.json:
        print_json(calibration.as_json())
    else:
        show_calibration(calibration)
    return 0


def _calibration(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], arguments: argparse.Namespace
) -> Calibration:
    pipeline = load_pipeline("worker", arguments, gate=True)
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    with progress("worker", photo_counts(known, unknown, arguments.enrol)) as on_photos:
        measured = evaluate(known, unknown, enrol_count=arguments.enrol, on_photos=on_photos)
    return calibrate(measured, pipeline.manifest, target_fpir=arguments.target_fpir)


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
