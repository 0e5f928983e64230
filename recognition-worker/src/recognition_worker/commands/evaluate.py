"""The command `evaluate`: how accurate a model is on an operator's own photos."""

from pathlib import Path
from typing import Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import (
    DEFAULT_MODEL,
    Enrol,
    Json,
    Known,
    Model,
    ModelCache,
    ModelRegistry,
    ReferenceEmbedder,
    share,
)
from recognition_worker.errors import EvaluationRefused
from recognition_worker.settings import EmbedderChoice, ModelChoice, PipelineChoice

Strangers = Annotated[Path | None, typer.Option(help="Strangers, in the same way; needed without --pairs.")]
TargetFpir = Annotated[float, typer.Option(callback=share, help="Share of strangers.")]
Pipeline = Annotated[PipelineChoice, typer.Option(help="deepface: its crop, beside ours.")]
Gate = Annotated[bool, typer.Option("--gate", help="Apply the production quality gate.")]
Pairs = Annotated[
    Path | None, typer.Option(help="Run this pairs file of LFW on the photos of --known instead.")
]
Quality = Annotated[
    bool,
    typer.Option(
        "--quality", help="Measure the quality gate instead: errors removed, good photos lost, by reason."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder for a report in HTML.")]


def evaluate(
    *,
    known: Known,
    unknown: Strangers = None,
    enrol: Enrol = 1,
    target_fpir: TargetFpir = 0.01,
    pipeline: Pipeline = PipelineChoice.WORKER,
    gate: Gate = False,
    pairs: Pairs = None,
    quality: Quality = False,
    out: Out = None,
    as_json: Json = False,
    embedder: ReferenceEmbedder = EmbedderChoice.DEEPFACE,
    model: Model = DEFAULT_MODEL,
    model_cache: ModelCache,
    model_registry: ModelRegistry = None,
) -> None:
    """Measure identification (1:N), or verification with --pairs."""
    with refusing():
        _check(pipeline, gate=gate, quality=quality, pairs=pairs, unknown=unknown, out=out)
        from recognition_worker.composition import evaluation as work

        choice = ModelChoice(model, model_cache, model_registry, embedder)
        if pairs is not None:
            answer = work.verify(choice, known, pairs, pipeline)
        elif unknown is None:
            raise EvaluationRefused(
                "strangers are missing: name their folder with --unknown, or pairs with --pairs"
            )
        elif quality:
            answer = work.measure_quality(choice, known, unknown)
        else:
            answer = work.identify(choice, known, unknown, pipeline, enrol, target_fpir, out, gate=gate)
        tell(answer, as_json=as_json)


def _check(
    pipeline: PipelineChoice,
    *,
    gate: bool,
    quality: bool,
    pairs: Path | None,
    unknown: Path | None,
    out: Path | None,
) -> None:
    """Refuse options that do not go together."""
    is_workers = pipeline is PipelineChoice.WORKER
    if gate and not is_workers:
        raise EvaluationRefused("--gate is the worker's; DeepFace has no such gate: leave out one of them")
    if quality and (gate or pairs or out):
        raise EvaluationRefused("--quality takes no --gate, --pairs or --out: its protocol has none of them")
    if quality and not is_workers:
        raise EvaluationRefused("--quality is about the worker's gate; DeepFace has no such gate")
    if pairs and (gate or out or unknown):
        raise EvaluationRefused("--pairs takes no --unknown, --gate or --out: its protocol has none of them")
