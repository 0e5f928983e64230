"""Shows a comparison of models: in a terminal, as JSON, and as a page with a table of disagreements."""

import csv
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from recognition_worker.domain.decision import Outcome
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.adapters.evaluation_report import histogram_svg
from recognition_worker.evaluation.domain.model_comparison import Compared, Comparison, Said, Side

_LISTED = 10
_COLUMNS = ("kind", "org_id", "capture_id", "occurred_at", "site_id", "device_id", "decided_by")


def show_comparison(comparison: Comparison) -> None:
    """Print how two models compare."""
    console = Console(soft_wrap=True, highlight=False)
    sides = (comparison.first, comparison.second)
    table = Table("", *(str(side.model) for side in sides))
    table.add_row("decided", *(str(side.decided) for side in sides))
    table.add_row("outcomes", *(_listed(side.outcomes) for side in sides))
    table.add_row("score, median (5 to 95 %)", *(_spread(side.score_quantiles, 3) for side in sides))
    table.add_row("ms to embed and search", *(_spread(side.latency_ms_quantiles, 1) for side in sides))
    console.print(table)
    console.print(f"{len(comparison.captures)} captures, agreement {comparison.agreement:.1%}")
    for kind, found in comparison.disagreements.items():
        shown = ", ".join(capture.capture_id for capture in found[:_LISTED])
        console.print(f"  {kind.value}: {len(found)}: {shown}{', ...' if len(found) > _LISTED else ''}")


def _listed(outcomes: Mapping[str, int]) -> str:
    return "\n".join(f"{name} {count}" for name, count in outcomes.items())


def _spread(quantiles: Mapping[str, float], digits: int) -> str:
    if not quantiles:
        return "none"
    low, median, high = (f"{quantiles[share]:.{digits}f}" for share in ("5", "50", "95"))
    return f"{median} ({low} to {high})"


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return plain values for JSON."""
    return {
        "first": _side_json(comparison.first),
        "second": _side_json(comparison.second),
        "captures": len(comparison.captures),
        "agreement": comparison.agreement,
        "disagreements": {
            kind.value: [_row(capture) for capture in found]
            for kind, found in comparison.disagreements.items()
        },
    }


def _side_json(side: Side) -> dict[str, object]:
    return {
        "model": str(side.model),
        "decided": side.decided,
        "outcomes": dict(side.outcomes),
        "score_quantiles": dict(side.score_quantiles),
        "latency_ms_quantiles": dict(side.latency_ms_quantiles),
    }


def _row(capture: Compared) -> dict[str, object]:
    row: dict[str, object] = {
        "org_id": capture.org_id,
        "capture_id": capture.capture_id,
        "occurred_at": capture.occurred_at.isoformat(),
        "site_id": capture.site_id,
        "device_id": capture.device_id,
        "decided_by": str(capture.decided_by),
    }
    for name, said in (("first", capture.first), ("second", capture.second)):
        row |= {
            f"{name}_outcome": said.outcome.value,
            f"{name}_person_id": said.person_id,
            f"{name}_score": said.score,
        }
    return row


def write_comparisons(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write `folder`/comparison.html and disagreements.csv.

    Raises:
        EvaluationRefused: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.html").write_text("\n".join(_page(comparisons)), encoding="utf-8")
        with (folder / "disagreements.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [
                {"kind": kind.value, **_row(capture)}
                for comparison in comparisons
                for kind, found in comparison.disagreements.items()
                for capture in found
            ]
            said = [
                f"{who}_{what}" for who in ("first", "second") for what in ("outcome", "person_id", "score")
            ]
            writer = csv.DictWriter(file, [*_COLUMNS, *said])
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise EvaluationRefused(
            f"the report cannot be written to {folder}: {error}; name another --out"
        ) from error


def _page(comparisons: Sequence[Comparison]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Models side by side</title>'
    yield "<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto}td,th{text-align:left;"
    yield "padding:.2rem .8rem;border-bottom:1px solid #ccc}svg{width:100%}</style></head><body>"
    for comparison in comparisons:
        first, second = comparison.first, comparison.second
        title = html.escape(f"{first.model} and {second.model}")
        yield f"<h1>{title}</h1><p>{len(comparison.captures)} captures, agreement "
        yield f"{comparison.agreement:.1%}.</p>"
        for side, said in (
            (first, [capture.first for capture in comparison.captures]),
            (second, [capture.second for capture in comparison.captures]),
        ):
            yield from _scores(side, said)
        yield "<table><tr><th>kind</th><th>capture</th><th>first</th><th>second</th></tr>"
        for kind, found in comparison.disagreements.items():
            for capture in found:
                cells = (kind.value, capture.capture_id, _shown(capture.first), _shown(capture.second))
                yield "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        yield "</table>"
    yield "</body></html>"


def _scores(side: Side, said: Sequence[Said]) -> Iterator[str]:
    identified = [one.score for one in said if one.outcome is Outcome.IDENTIFIED and one.score is not None]
    others = [one.score for one in said if one.outcome is not Outcome.IDENTIFIED and one.score is not None]
    thresholds = [one.threshold for one in said if one.threshold is not None]
    latency = _spread(side.latency_ms_quantiles, 1)
    outcomes = ", ".join(f"{name} {count}" for name, count in side.outcomes.items())
    yield f"<h2>{html.escape(str(side.model))}</h2><p>Decided {side.decided}; "
    yield f"{html.escape(outcomes)}; {latency} ms to embed and search.</p>"
    if thresholds:
        yield histogram_svg(np.array(identified), np.array(others), thresholds[-1])
        yield "<p>Green: identified, red: all other outcomes; the line is the last threshold.</p>"


def _shown(said: Said) -> str:
    score = "" if said.score is None else f" {said.score:.3f}"
    return f"{said.outcome.value} {said.person_id or ''}{score}"
