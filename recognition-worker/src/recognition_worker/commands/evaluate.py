"""The command `evaluate`: arguments in, figures out, and exit codes like those of the worker."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recognition_worker.commands.registry_arguments import add_model, manifest_of, places_of
from recognition_worker.errors import EvaluationRefused, RecognitionError
from recognition_worker.evaluation.adapters.console import progress, show_gate, show_pairs, show_summaries
from recognition_worker.evaluation.adapters.evaluated_pipelines import (
    PIPELINES,
    EvaluatedPipeline,
    worker_pipeline,
)
from recognition_worker.evaluation.adapters.photo_folders import read_pairs, read_people
from recognition_worker.evaluation.adapters.report import Evaluated, write_report
from recognition_worker.evaluation.evaluate_model import EvaluateModel, PersonPhotos
from recognition_worker.evaluation.measure_gate import measure_gate
from recognition_worker.evaluation.summary import summarise
from recognition_worker.evaluation.verify_pairs import verify_pairs
from recognition_worker.settings import EmbedderChoice
from service_kit.errors import SettingsError

_REFUSED = 2


def add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `evaluate`; its `execute` takes the parsed arguments and returns the exit code."""
    parser = commands.add_parser(
        "evaluate", help="measure identification (1:N), or verification with --pairs"
    )
    add_photos(parser, strangers_needed=False)
    parser.add_argument(
        "--enrol", type=positive_count, default=1, help="how many photos enrol a person (default 1)"
    )
    parser.add_argument("--target-fpir", type=share, default=0.01, help="share of strangers (default 0.01)")
    parser.add_argument(
        "--pipeline", choices=PIPELINES, default="worker", help="deepface: its crop, beside ours"
    )
    parser.add_argument("--gate", action="store_true", help="apply the production quality gate")
    parser.add_argument(
        "--pairs", type=Path, help="run this pairs file of LFW on the photos of --known instead"
    )
    parser.add_argument(
        "--quality",
        action="store_true",
        help="measure the quality gate instead: errors removed, good photos lost, by reason",
    )
    parser.add_argument("--out", type=Path, help="folder for a report in HTML")
    add_shared(parser)
    parser.set_defaults(execute=partial(refusing, _evaluate))


def add_photos(parser: argparse.ArgumentParser, *, strangers_needed: bool) -> None:
    """Add the folders of photos."""
    parser.add_argument("--known", type=Path, required=True, help="known people: PERSON/1.jpg, 2.jpg, ...")
    parser.add_argument(
        "--unknown",
        type=Path,
        required=strangers_needed,
        help="strangers, in the same way" + ("" if strangers_needed else "; needed without --pairs"),
    )


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both commands."""
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument(
        "--embedder",
        type=EmbedderChoice,
        choices=list(EmbedderChoice),
        default=EmbedderChoice.DEEPFACE,
        help="what computes the worker's embeddings (default deepface, the reference)",
    )
    add_model(parser)


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.gate and arguments.pipeline != "worker":
        raise EvaluationRefused("--gate is the worker's; DeepFace has no such gate: leave out one of them")
    if arguments.quality and (arguments.gate or arguments.pairs or arguments.out):
        raise EvaluationRefused("--quality takes no --gate, --pairs or --out: its protocol has none of them")
    if arguments.quality and arguments.pipeline != "worker":
        raise EvaluationRefused("--quality is about the worker's gate; DeepFace has no such gate")
    if arguments.pairs:
        return _evaluate_pairs(arguments)
    if arguments.unknown is None:
        raise EvaluationRefused(
            "strangers are missing: name their folder with --unknown, or pairs with --pairs"
        )
    known, unknown = read_people(arguments.known), read_people(arguments.unknown)
    if arguments.quality:
        return _evaluate_quality(known, unknown, arguments)
    names = list(dict.fromkeys(("worker", arguments.pipeline)))
    evaluated = [_measure(name, known, unknown, arguments) for name in names]
    if arguments.out:
        report = write_report(arguments.out, evaluated)
        sys.stderr.write(f"report: {report}\n")
    summaries = [one.summary for one in evaluated]
    if not arguments.json:
        show_summaries(summaries)
        return 0
    found = summaries[-1].as_json()
    if len(summaries) > 1:
        found["beside"] = summaries[0].as_json()
        found["gap"] = {
            key: getattr(summaries[0], key) - getattr(summaries[1], key) for key in ("rank1", "fnir")
        }
    print_json(found)
    return 0


def _measure(
    name: str, known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], arguments: argparse.Namespace
) -> Evaluated:
    pipeline = load_pipeline(name, arguments, **({"gate": True} if arguments.gate else {}))
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    with progress(name, photo_counts(known, unknown, arguments.enrol)) as on_photos:
        measured = evaluate(known, unknown, enrol_count=arguments.enrol, on_photos=on_photos)
    summary = summarise(
        measured,
        pipeline=name,
        gate=arguments.gate,
        enrolment_photos=arguments.enrol,
        target_fpir=arguments.target_fpir,
    )
    return Evaluated(measured, summary)


def load_pipeline(name: str, arguments: argparse.Namespace, **options: Any) -> EvaluatedPipeline:
    """Load a pipeline with the model and the embedder that the arguments name; ModelRefused."""
    if name == "worker":
        options["embedder"] = arguments.embedder
    return PIPELINES[name](
        arguments.model_cache, manifest=manifest_of(arguments), places=places_of(arguments), **options
    )


def photo_counts(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], enrol_count: int
) -> dict[str, int]:
    """Count the photos of each step of the protocol."""
    taking_part = [person for person in known if len(person.photos) > enrol_count]
    return {
        "enrol": enrol_count * len(taking_part),
        "capture": sum(len(person.photos) - enrol_count for person in taking_part),
        "stranger": sum(len(person.photos) for person in unknown),
    }


def _evaluate_pairs(arguments: argparse.Namespace) -> int:
    if arguments.gate or arguments.out or arguments.unknown:
        raise EvaluationRefused("--pairs takes no --unknown, --gate or --out: its protocol has none of them")
    pairs, read = read_pairs(arguments.pairs, arguments.known)
    pipeline = load_pipeline(arguments.pipeline, arguments)
    photos = {photo for pair in pairs for photo in (pair.first, pair.second)}
    with progress(arguments.pipeline, {"pairs": len(photos)}) as on_photos:
        summary = verify_pairs(
            pipeline.encoder,
            pairs,
            read,
            pipeline=arguments.pipeline,
            on_photos=partial(on_photos, "pairs"),
        )
    if arguments.json:
        print_json(summary.as_json())
    else:
        show_pairs(summary)
    return 0


def _evaluate_quality(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], arguments: argparse.Namespace
) -> int:
    pipeline = worker_pipeline(
        arguments.model_cache,
        manifest=manifest_of(arguments),
        places=places_of(arguments),
        embedder=arguments.embedder,
    )
    count = sum(len(person.photos) for person in (*known, *unknown))
    with progress("worker", {"photos": count}) as on_photos:
        measurement = measure_gate(
            pipeline.encoder,
            pipeline.analyser,
            pipeline.manifest,
            known,
            unknown,
            on_photos=partial(on_photos, "photos"),
        )
    if arguments.json:
        print_json(measurement.as_json())
    else:
        show_gate(measurement)
    return 0


def refusing(command: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command; a refusal is told on standard error and returned as 2."""
    try:
        return command(arguments)
    except (RecognitionError, SettingsError) as error:
        sys.stderr.write(f"recognition-worker: {error}\n")
        return _REFUSED


def print_json(found: dict[str, object]) -> None:
    """Write JSON to standard output."""
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


def positive_count(text: str) -> int:
    """Read a count of one or more."""
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one photo must enrol")
    return count


def share(text: str) -> float:
    """Read a share from 0 to less than 1."""
    rate = float(text)
    if not 0.0 <= rate < 1.0:
        raise argparse.ArgumentTypeError("a share from 0 to 1 is needed, 0.01 for one in a hundred")
    return rate


def score(text: str) -> float:
    """Read a cosine."""
    value = float(text)
    if not -1.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError("a score from -1 to 1 is needed")
    return value
