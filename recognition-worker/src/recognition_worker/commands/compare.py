"""The command `compare`: what the models that run side by side said about the same captures."""

import argparse
import csv
import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.topics import MATCHES, MATCHES_SHADOW, Topic
from recognition_worker.adapters.topics.kafka_snapshots import decoded
from recognition_worker.commands.evaluate import print_json
from recognition_worker.commands.kafka import connected, execute
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.identity import ModelId, PersonId
from recognition_worker.domain.model_comparison import Compared, Comparison, Said, Side, compare
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.adapters.report import histogram_svg
from service_kit.kafka.bounded_reading import records_of
from service_kit.settings import KafkaSettings

_OWN_STAGES = ("embed", "search")
_SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LISTED = 10
_COLUMNS = ("kind", "capture_id", "occurred_at", "site_id", "device_id", "decided_by")


def add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `compare`; its `execute` takes the parsed arguments and returns the exit code."""
    says = "compare the models that run side by side, on the captures that both saw"
    parser = commands.add_parser("compare", help=says, description=says)
    parser.add_argument(
        "--since",
        type=_instant,
        required=True,
        help="an instant (2026-11-22T08:00:00Z) or a span back (2h, 7d)",
    )
    parser.add_argument("--out", type=Path, help="folder for comparison.html and disagreements.csv")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.set_defaults(execute=partial(execute, _compare))


async def _compare(arguments: argparse.Namespace) -> int:
    async with connected() as connection:
        decided = await _matches(connection.kafka, connection.codec, MATCHES, arguments.since)
        scored = await _matches(connection.kafka, connection.codec, MATCHES_SHADOW, arguments.since)
    comparisons = compare(pairs(decided, scored))
    if not comparisons:
        raise EvaluationRefused(
            f"no capture since {arguments.since.isoformat()} was seen by two models ({len(decided)} "
            f"decisions, {len(scored)} in the shadow): let a model run beside with `rollout shadow`, or look "
            "further back"
        )
    if arguments.out:
        _write(arguments.out, comparisons)
    if arguments.json:
        print_json({"since": arguments.since.isoformat(), "comparisons": [_json(one) for one in comparisons]})
        return 0
    for comparison in comparisons:
        _show(comparison)
    return 0


async def _matches(kafka: KafkaSettings, codec: Codec, topic: Topic, since: datetime) -> list[MatchDecided]:
    records = records_of(kafka, kafka.topic(topic.name), since=since)
    events = [await decoded(record, codec) async for record in records]
    return [event for event in events if isinstance(event, MatchDecided)]


def pairs(decided: Sequence[MatchDecided], scored: Sequence[MatchDecided]) -> list[Compared]:
    """Pair decisions with what other models said about the same captures.

    The first decision of the highest round counts, as in the read model; repetitions count once.
    """
    counts: dict[object, MatchDecided] = {}
    for match in decided:
        known = counts.get(match.capture_id)
        if known is None or match.decision_round > known.decision_round:
            counts[match.capture_id] = match
    others = {(match.capture_id, match.model_name, match.model_version): match for match in scored}
    found = []
    for other in others.values():
        counting = counts.get(other.capture_id)
        if counting is None or _said(counting).model == _said(other).model:
            continue
        found.append(
            Compared(
                str(counting.capture_id),
                counting.device_id,
                counting.site_id,
                counting.occurred_at,
                _said(counting).model,
                _said(counting),
                _said(other),
            )
        )
    return found


def _said(match: MatchDecided) -> Said:
    return Said(
        ModelId(match.model_name, match.model_version),
        Outcome(match.outcome.value),
        PersonId(match.person_id) if match.person_id is not None else None,
        match.score,
        match.threshold,
        sum(match.timings_ms.get(stage, 0.0) for stage in _OWN_STAGES),
    )


def _json(comparison: Comparison) -> dict[str, object]:
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


def _show(comparison: Comparison) -> None:
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


def _write(folder: Path, comparisons: Sequence[Comparison]) -> None:
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


def _instant(text: str) -> datetime:
    if text[-1:] in _SPANS and text[:-1].isdigit():
        return datetime.now(UTC) - int(text[:-1]) * _SPANS[text[-1]]
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(
            "an instant with its zone (2026-11-22T08:00:00Z) or 90m, 2h, 7d is needed"
        )
    return instant
