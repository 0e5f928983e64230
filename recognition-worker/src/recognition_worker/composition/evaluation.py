"""The command `evaluate`: a pipeline, the photos and the protocol that is asked for."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recognition_worker.composition.answer import Answer
from recognition_worker.composition.models import manifest_of, places_of
from recognition_worker.evaluation.adapters.evaluated_pipelines import (
    EvaluatedPipeline,
    deepface_pipeline,
    worker_pipeline,
)
from recognition_worker.evaluation.adapters.evaluation_report import Evaluated, write_report
from recognition_worker.evaluation.adapters.photo_folders import read_pairs, read_people
from recognition_worker.evaluation.adapters.terminal import progress, show_gate, show_pairs, show_summaries
from recognition_worker.evaluation.evaluate_model import EvaluateModel, PersonPhotos
from recognition_worker.evaluation.measure_gate import measure_gate
from recognition_worker.evaluation.measured import Measured
from recognition_worker.evaluation.summary import EvaluationSummary, summarise
from recognition_worker.evaluation.verify_pairs import verify_pairs
from recognition_worker.settings import ModelChoice, PipelineChoice


def identify(
    choice: ModelChoice,
    known: Path,
    unknown: Path,
    pipeline: PipelineChoice,
    enrol: int,
    target_fpir: float,
    out: Path | None,
    *,
    gate: bool,
) -> Answer:
    """Measure identification (1:N) by a pipeline, with the worker's beside another one."""
    people, strangers = read_people(known), read_people(unknown)
    evaluated = []
    for one in dict.fromkeys((PipelineChoice.WORKER, pipeline)):
        measured = measure(load_pipeline(one, choice, gate=gate), one, people, strangers, enrol)
        summary = summarise(
            measured, pipeline=one.value, gate=gate, enrolment_photos=enrol, target_fpir=target_fpir
        )
        evaluated.append(Evaluated(measured, summary))
    if out:
        sys.stderr.write(f"report: {write_report(out, evaluated)}\n")
    summaries = [one.summary for one in evaluated]
    return Answer(partial(show_summaries, summaries), partial(_json, summaries))


def verify(choice: ModelChoice, known: Path, pairs_file: Path, pipeline: PipelineChoice) -> Answer:
    """Measure verification (1:1) with a pairs file of LFW."""
    pairs, read = read_pairs(pairs_file, known)
    loaded = load_pipeline(pipeline, choice)
    photos = {photo for pair in pairs for photo in (pair.first, pair.second)}
    with progress(pipeline, {"pairs": len(photos)}) as on_photos:
        summary = verify_pairs(
            loaded.encoder, pairs, read, pipeline=pipeline.value, on_photos=partial(on_photos, "pairs")
        )
    return Answer(partial(show_pairs, summary), summary.as_json)


def measure_quality(choice: ModelChoice, known: Path, unknown: Path) -> Answer:
    """Measure what the worker's quality gate removes, and what it costs."""
    people, strangers = read_people(known), read_people(unknown)
    pipeline = worker_pipeline(
        choice.cache,
        manifest=manifest_of(choice),
        places=places_of(choice.registry),
        embedder=choice.embedder,
    )
    count = sum(len(person.photos) for person in (*people, *strangers))
    with progress(PipelineChoice.WORKER, {"photos": count}) as on_photos:
        measurement = measure_gate(
            pipeline.encoder,
            pipeline.analyser,
            pipeline.manifest,
            people,
            strangers,
            on_photos=partial(on_photos, "photos"),
        )
    return Answer(partial(show_gate, measurement), measurement.as_json)


def load_pipeline(pipeline: PipelineChoice, choice: ModelChoice, **options: Any) -> EvaluatedPipeline:
    """Load a pipeline with the model of the choice; ModelRefused. options: of the worker's pipeline."""
    manifest, places = manifest_of(choice), places_of(choice.registry)
    if pipeline is PipelineChoice.DEEPFACE:
        return deepface_pipeline(choice.cache, manifest=manifest, places=places)
    return worker_pipeline(
        choice.cache, manifest=manifest, places=places, embedder=choice.embedder, **options
    )


def measure(
    pipeline: EvaluatedPipeline,
    name: PipelineChoice,
    known: Sequence[PersonPhotos],
    unknown: Sequence[PersonPhotos],
    enrol: int,
) -> Measured:
    """Run the 1:N protocol and show how far it is."""
    evaluate = EvaluateModel(pipeline.encoder, pipeline.gallery, time.perf_counter)
    with progress(name, _photo_counts(known, unknown, enrol)) as on_photos:
        return evaluate(known, unknown, enrol_count=enrol, on_photos=on_photos)


def _photo_counts(
    known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos], enrol_count: int
) -> dict[str, int]:
    taking_part = [person for person in known if len(person.photos) > enrol_count]
    return {
        "enrol": enrol_count * len(taking_part),
        "capture": sum(len(person.photos) - enrol_count for person in taking_part),
        "stranger": sum(len(person.photos) for person in unknown),
    }


def _json(summaries: Sequence[EvaluationSummary]) -> dict[str, object]:
    found = summaries[-1].as_json()
    if len(summaries) > 1:
        worker, other = summaries
        found["beside"] = worker.as_json()
        found["gap"] = {key: getattr(worker, key) - getattr(other, key) for key in ("rank1", "fnir")}
    return found
