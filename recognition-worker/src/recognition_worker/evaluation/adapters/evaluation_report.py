"""Writes an evaluation as one HTML file: figures, DET curve and score histograms as inline SVG, no script."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.domain.error_rates import DetPoint, det_points
from recognition_worker.evaluation.measured import Measured
from recognition_worker.evaluation.summary import EvaluationSummary

_WIDTH, _HEIGHT, _MARGIN = 640, 360, 56
_BIN = 0.02
_COLOURS = ("#0b6e4f", "#b3361b")
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
td, th { border-bottom: 1px solid #ccc; padding: .2rem .8rem; text-align: left }
svg { width: 100%; height: auto; font-size: 12px } figure { margin: 2rem 0 }
"""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A measurement with its figures."""

    measured: Measured
    summary: EvaluationSummary


def write_report(folder: Path, evaluated: Sequence[Evaluated]) -> Path:
    """Write `folder`/evaluation.html and return its path.

    Raises:
        EvaluationRefused: the folder cannot be written.
    """
    file = folder / "evaluation.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(_page(evaluated)), encoding="utf-8")
    except OSError as error:
        raise EvaluationRefused(
            f"the report cannot be written to {folder}: {error}; name another --out"
        ) from error
    return file


def _page(evaluated: Sequence[Evaluated]) -> Iterator[str]:
    title = html.escape(f"Evaluation of {evaluated[0].summary.model}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
    yield from _figures([one.summary for one in evaluated])
    yield "<figure>"
    yield det_svg([(one.summary.pipeline, det_points(one.measured.searches)) for one in evaluated])
    yield "<figcaption>Detection error trade-off: the lower and the further left, the better. A capture of "
    yield "a known person is a hit when they come first, at the threshold or above.</figcaption></figure>"
    for one in evaluated:
        mates = [attempt.mate_score for attempt in one.measured.probes if attempt.mate_score is not None]
        strangers = [attempt.best_score for attempt in one.measured.strangers if attempt.best]
        yield "<figure>"
        yield histogram_svg(np.array(mates), np.array(strangers), one.summary.threshold)
        yield f"<figcaption>Scores of {html.escape(one.summary.pipeline)}: green the right person's, red the "
        yield "best that a stranger reaches; the line is the threshold.</figcaption></figure>"
    yield "</body></html>"


def _figures(summaries: Sequence[EvaluationSummary]) -> Iterator[str]:
    yield "<table>"
    names = [name for name in summaries[0].as_json() if name not in ("model", "score_histograms")]
    columns = [summary.as_json() for summary in summaries]
    for name in names:
        cells = "".join(f"<td>{html.escape(_shown(column[name]))}</td>" for column in columns)
        yield f"<tr><th>{html.escape(name.replace('_', ' '))}</th>{cells}</tr>"
    yield "</table>"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items()) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def det_svg(curves: Sequence[tuple[str, Sequence[DetPoint]]]) -> str:
    """Draw FNIR over FPIR, both logarithmic, one line for each curve; a rate of 0 lies on the border."""
    rates = [rate for _, points in curves for point in points for rate in (point.fpir, point.fnir) if rate]
    floor = 10.0 ** math.floor(math.log10(min(rates, default=0.1)))

    def place(rate: float) -> float:
        return 1 - math.log10(max(rate, floor)) / math.log10(floor) if floor < 1 else 1.0

    parts = []
    for decade in range(round(math.log10(floor)), 1):
        at = place(10.0**decade)
        parts.append(_line(_x(at), _y(0), _x(at), _y(1), "#ddd"))
        parts.append(_line(_x(0), _y(at), _x(1), _y(at), "#ddd"))
        parts.append(_text(_x(at), _y(0) + 18, f"{100 * 10.0**decade:g} %", "middle"))
        parts.append(_text(_x(0) - 6, _y(at) + 4, f"{100 * 10.0**decade:g} %", "end"))
    for number, (name, points) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{_x(place(one.fpir)):.1f},{_y(place(one.fnir)):.1f}" for one in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts.append(_text(_x(1) - 6, _y(1) + 16 * (number + 1), name, "end", colour))
    parts.append(_text(_x(0.5), _HEIGHT - 6, "FPIR", "middle"))
    parts.append(_text(6, _y(1) - 8, "FNIR", "start"))
    return _svg("DET curve", parts)


def histogram_svg(mates: NDArray[np.float64], strangers: NDArray[np.float64], threshold: float) -> str:
    """Draw the shares of both kinds of score in bins of 0.02, and the threshold."""
    scores = np.concatenate([mates, strangers, [threshold]])
    low, high = math.floor(scores.min() / _BIN) * _BIN, math.ceil(scores.max() / _BIN) * _BIN
    edges = np.linspace(low, max(high, low + _BIN), max(1, round((high - low) / _BIN)) + 1)
    shares = [np.histogram(one, edges)[0] / max(1, len(one)) for one in (mates, strangers)]
    top = max(float(share.max()) for share in shares) or 1.0
    span = float(edges[-1] - edges[0])

    def place(score: float) -> float:
        return (score - float(edges[0])) / span

    parts = []
    for share, colour in zip(shares, _COLOURS, strict=True):
        for left, right, height in zip(edges[:-1], edges[1:], share / top, strict=True):
            parts.append(
                f'<rect x="{_x(place(left)):.1f}" y="{_y(height):.1f}" fill="{colour}" fill-opacity=".5" '
                f'width="{_x(place(right)) - _x(place(left)):.1f}" height="{_y(0) - _y(height):.1f}"/>'
            )
    parts.append(_line(_x(place(threshold)), _y(0), _x(place(threshold)), _y(1), "#1c1c1c"))
    parts.append(_text(_x(place(threshold)) + 4, _y(1) + 12, f"{threshold:.3f}", "start"))
    for score in np.arange(math.ceil(low * 5) / 5, high + 1e-9, 0.2):
        parts.append(_text(_x(place(float(score))), _y(0) + 18, f"{score:.1f}", "middle"))
    parts.append(_text(_x(0.5), _HEIGHT - 6, "score", "middle"))
    parts.append(_line(_x(0), _y(0), _x(1), _y(0), "#1c1c1c"))
    return _svg("Histogram of scores", parts)


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 2 * _MARGIN)


def _y(share: float) -> float:
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#1c1c1c") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(text)}</text>'


def _svg(label: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
