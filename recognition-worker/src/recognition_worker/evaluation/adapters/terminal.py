"""Shows an evaluation in a terminal: progress on standard error, figures on standard output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from recognition_worker.evaluation.calibrate_model import Calibration
from recognition_worker.evaluation.compare_templates import TemplateChoice
from recognition_worker.evaluation.measure_gate import GateMeasurement
from recognition_worker.evaluation.summary import EvaluationSummary
from recognition_worker.evaluation.verify_pairs import PairsSummary


@contextmanager
def progress(title: str, steps: Mapping[str, int]) -> Iterator[Callable[[str, int], None]]:
    """Show a bar for each step (its name and how many photos it has); yields what advances one."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {step: bars.add_task(f"{title}: {step}", total=total) for step, total in steps.items()}
        yield lambda step, count: bars.advance(tasks[step], count)


def show_summaries(summaries: Sequence[EvaluationSummary]) -> None:
    """Print the figures of one pipeline, or of two side by side with the gap between them."""
    table = Table("", *(summary.pipeline for summary in summaries), title=summaries[0].model)
    for name, values in _rows(summaries):
        table.add_row(name, *values)
    console = Console()
    console.print(table)
    for summary in summaries:
        _say_refused(console, summary)
    if len(summaries) > 1:
        console.print(gap_sentence(*summaries))


def gap_sentence(worker: EvaluationSummary, other: EvaluationSummary) -> str:
    """Say by how much the worker's pipeline is ahead of another, in percentage points."""
    return (
        f"Gap, same weights: rank-1 {100 * (worker.rank1 - other.rank1):+.1f} points, FNIR at FPIR "
        f"{worker.target_fpir:.1%} {100 * (worker.fnir - other.fnir):+.1f} points for {worker.pipeline}"
    )


def show_pairs(summary: PairsSummary) -> None:
    """Print the figures of the pairs protocol."""
    table = Table("", summary.pipeline, title=f"{summary.model}, {summary.pairs} pairs")
    deviation = f"{summary.accuracy:.2%} +- {summary.accuracy_standard_error:.2%}"
    table.add_row(f"accuracy, {len(summary.folds)} folds", deviation)
    table.add_row("equal error rate", f"{summary.eer:.2%}")
    table.add_row("true positives at 0.1 % false", f"{summary.tpr_at_fpr_1e3:.2%}")
    table.add_row("failure to acquire", f"{summary.fta:.2%} of {summary.photos} photos")
    Console().print(table)


def show_gate(measurement: GateMeasurement) -> None:
    """Print what the quality gate removes and costs."""
    console = Console()
    console.print(
        f"{measurement.model}: {measurement.people} people, {measurement.strangers} photos of strangers, "
        f"threshold {measurement.threshold:.3f}"
    )
    for name, unit, effect in (
        ("matching", "captures", measurement.match),
        ("enrolment", "pairs of photos", measurement.enrolment),
    ):
        low, high = effect.removed_interval.low, effect.removed_interval.high
        table = Table("reason", "photos refused", "errors removed", "successes lost")
        table.title = f"{name}: {effect.errors} errors in {effect.trials} {unit}, of {effect.photos} photos"
        for one in (*effect.by_reason, effect.all_reasons):
            spread = f" ({low:.1%} to {high:.1%})" if one is effect.all_reasons else ""
            table.add_row(
                one.reason,
                str(one.refused),
                f"{one.errors}: {one.errors_removed:.1%}{spread}",
                f"{one.successes}: {one.successes_lost:.1%}",
            )
        console.print(table)


def show_calibration(calibration: Calibration) -> None:
    """Print the outcomes under the thresholds in force, and the proposals."""
    console = Console()
    console.print(f"{calibration.model}: {calibration.people_enrolled} people enrolled, ", end="")
    console.print(f"{calibration.people_refused} refused")
    for reason, count in calibration.refused_enrolment_photos.items():
        console.print(f"  {count} enrolment photos refused: {reason}")
    console.print(
        f"captures of them: {calibration.captures_of_enrolled}, identified {calibration.identified}, as "
        f"somebody else {calibration.identified_as_somebody_else}; outcomes {_counts(calibration.outcomes)}"
    )
    console.print(
        f"captures of strangers: {calibration.captures_of_strangers}, identified "
        f"{calibration.strangers_identified}; outcomes {_counts(calibration.stranger_outcomes)}"
    )
    tail, decay = calibration.tail, calibration.decay_interval
    console.print(
        f"scores of different people: {calibration.comparisons}; above {tail.start:.3f} they fall off with "
        f"{tail.decay:.4f} ({decay.low:.4f} to {decay.high:.4f})"
    )
    table = Table("target FPIR", "people, up to", "threshold", "of the tail, 95 %", "margin", "review from")
    table.add_column("found here")
    table.add_column("why")
    for point in calibration.operating_points:
        low, high = point.threshold_interval or (point.threshold, point.threshold)
        table.add_row(
            f"{point.target_fpir:.1%}",
            str(point.people_up_to),
            f"{point.threshold:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{point.margin:.2f}",
            f"{point.review_threshold:.3f}",
            f"{point.identified:.2%}",
            point.evidence,
        )
    console.print(table)


def show_template_choices(choices: Sequence[TemplateChoice], target_fpir: float) -> None:
    """Print the choices of templates with their figures."""
    table = Table("photos", "score of a person", "mirrored too", "rank-1", f"FNIR at FPIR {target_fpir:.1%}")
    for choice in choices:
        interval = f"({choice.fnir_interval.low:.2%} to {choice.fnir_interval.high:.2%})"
        table.add_row(
            str(choice.photos),
            choice.rule,
            "yes" if choice.mirrored else "no",
            f"{choice.rank1:.2%}",
            f"{choice.fnir:.2%} {interval}",
        )
    Console().print(table)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _rows(summaries: Sequence[EvaluationSummary]) -> Iterator[tuple[str, list[str]]]:
    first = summaries[0]
    gate = "production" if first.gate else "off: every photo with a face"
    yield "quality gate", [gate for _ in summaries]
    yield (
        f"people enrolled with {first.enrolment_photos} photo(s)",
        [f"{one.enrolled} ({one.not_enrolled} refused, {one.left_out} left out)" for one in summaries],
    )
    yield "captures of them / of strangers", [f"{one.probes} / {one.strangers}" for one in summaries]
    yield "failure to acquire", [f"{one.fta:.2%}" for one in summaries]
    yield "rank-1", [f"{one.rank1:.2%}" for one in summaries]
    yield (
        f"FNIR at FPIR {first.target_fpir:.1%}",
        [f"{x.fnir:.2%} ({x.fnir_interval.low:.2%} to {x.fnir_interval.high:.2%})" for x in summaries],
    )
    yield "threshold, its FPIR", [f"{one.threshold:.4f}, {one.fpir:.2%}" for one in summaries]
    yield "images per second", [f"{one.images_per_second:.1f}" for one in summaries]
    yield "milliseconds by stage", [_stages(one.stages_ms) for one in summaries]


def _stages(stages_ms: Mapping[str, float]) -> str:
    return "\n".join(f"{stage} {milliseconds:.2f}" for stage, milliseconds in stages_ms.items())


def _say_refused(console: Console, summary: EvaluationSummary) -> None:
    for what, refused in (
        ("enrolment photos", summary.refused_enrolment_photos),
        ("captures", summary.refused_captures),
    ):
        for reason, count in refused.items():
            console.print(f"{summary.pipeline}: {count} {what} refused: {reason}")
