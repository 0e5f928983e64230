"""The command `calibrate`: thresholds from an operator's own photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

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
from recognition_worker.domain.operating_point import TARGET_FPIRS
from recognition_worker.errors import EvaluationRefused
from recognition_worker.settings import EmbedderChoice, ModelChoice

if TYPE_CHECKING:  # Typer brings its own copy of click, whose types it names nowhere else
    from typer._click.core import Context

_TARGETS = "--target-fpir"
_NO_FLOOR = -1.0


class SeveralTargets(TyperCommand):
    """Reads `--target-fpir 0.001 0.01` as the option given twice."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Give each number after the option an option of its own."""
        spread: list[str] = []
        for word in args:
            follows = spread[-2:-1] == [_TARGETS] and not word.startswith("-")
            spread += [_TARGETS, word] if follows else [word]
        return super().parse_args(ctx, spread)


def _shares(values: list[float]) -> list[float]:
    return [share(value) for value in values]


def _score(value: float) -> float:
    if not _NO_FLOOR <= value <= 1.0:
        raise typer.BadParameter("a score from -1 to 1 is needed")
    return value


Strangers = Annotated[Path, typer.Option(help="Strangers, in the same way.")]
Targets = Annotated[
    list[float],
    typer.Option(
        _TARGETS,
        callback=_shares,
        metavar="SHARE [SHARE ...]",
        help="Shares of strangers accepted, with spaces between them.",
    ),
]
Floor = Annotated[float, typer.Option(callback=_score, help="No threshold lies below this score.")]
FloorReason = Annotated[str, typer.Option(help="Why; kept with the thresholds.")]
Write = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the thresholds, as a manifest.")]
Templates = Annotated[
    bool,
    typer.Option(
        "--templates",
        help="Measure the choices of templates instead: photos, rules, mirroring (four photos each).",
    ),
]


def calibrate(
    *,
    known: Known,
    unknown: Strangers,
    enrol: Enrol = 2,
    target_fpir: Targets = list(TARGET_FPIRS),  # noqa: B006 - Typer reads it once
    floor: Floor = _NO_FLOOR,
    floor_reason: FloorReason = "",
    write: Write = None,
    templates: Templates = False,
    as_json: Json = False,
    embedder: ReferenceEmbedder = EmbedderChoice.DEEPFACE,
    model: Model = DEFAULT_MODEL,
    model_cache: ModelCache,
    model_registry: ModelRegistry = None,
) -> None:
    """Propose a model's thresholds by gallery size."""
    with refusing():
        from recognition_worker.composition import calibration

        choice = ModelChoice(model, model_cache, model_registry, embedder)
        if templates:
            tell(calibration.compare_choices(choice, known, unknown), as_json=as_json)
            return
        _check(target_fpir, floor, floor_reason)
        answer = calibration.calibrate(
            choice,
            known,
            unknown,
            enrol=enrol,
            target_fpirs=target_fpir,
            floor=floor,
            floor_reason=floor_reason,
            write=write,
        )
        tell(answer, as_json=as_json)


def _check(target_fpirs: list[float], floor: float, floor_reason: str) -> None:
    """Refuse options that make no thresholds."""
    if 0.0 in target_fpirs:
        raise EvaluationRefused("no threshold keeps every stranger out: a --target-fpir above 0 is needed")
    if (floor > _NO_FLOOR) != bool(floor_reason):
        raise EvaluationRefused("--floor and --floor-reason go together: say why, it is kept with them")
