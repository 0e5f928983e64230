"""What a person sees: the live view while the morning is played, and the tables at the end."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from attendance_demo.scene.morning import Planned
from attendance_demo.scene.play import Played
from attendance_demo.steps import console
from attendance_demo.verdict.audit import REFUSED_OUTCOMES, Log, Stores

STYLES = {"IDENTIFIED": "green", "REVIEW": "yellow", "UNKNOWN": "yellow", "REFUSED": "red", "NO_FACE": "red"}
NEWEST = 10
# 80 columns hold a name without breaking it.
COMPACT: dict[str, Any] = {"box": box.SIMPLE, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
ROWS_SHOWN = 40


class LiveView:
    """Counts per service and the newest results; Rich asks for it several times a second."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.results: Counter[str] = Counter()
        self.newest: deque[tuple[str, str, str]] = deque(maxlen=NEWEST)

    def result(self, planned: Planned, result: dict[str, object] | None) -> None:
        """Take a result as a kiosk shows it; None: recorded, recognition delayed."""
        outcome = str(result["outcome"]) if result else "RECORDED"
        self.results[outcome] += 1
        who = ""
        if result:
            who = str(result.get("display_name") or result.get("person_id") or result.get("reason") or "")
        self.newest.append((f"{planned.kiosk}: {planned.what}", outcome, who))

    def __rich__(self) -> RenderableType:
        flow = Table.grid(padding=(0, 3))
        for name, value in self.counts.items():
            flow.add_row(name, f"[bold]{value:,.0f}[/bold]")
        newest = Table(box=None)
        for heading in ("at the kiosk", "shown", "who or why"):
            newest.add_column(heading, no_wrap=True, overflow="ellipsis")
        for what, outcome, who in self.newest:
            newest.add_row(what, f"[{STYLES.get(outcome, 'white')}]{outcome}[/]", who)
        return Group(Panel(flow, title="flow", expand=False), Panel(newest, title="newest", expand=False))


def attendance_table(rows: Sequence[Mapping[str, object]], zone: str) -> Table:
    """Return the attendance as the query API answered it; local times of the plant."""
    table = Table(title=f"attendance ({zone})", **COMPACT)
    for column in ("date", "name", "shift", "status", "in", "out", "worked", "late"):
        table.add_column(column, no_wrap=column != "name")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(
            str(row["attendance_on"]),
            str(row["display_name"] or row["person_id"]),
            str(row["shift_id"]).rsplit("-", 1)[0],
            str(row["status"]),
            _local(row["first_in_at"], zone),
            _local(row["last_out_at"], zone),
            _hours(row["worked_minutes"]),
            _hours(row["late_minutes"]) if row["late"] else "",
        )
    if len(rows) > ROWS_SHOWN:
        table.caption = f"{len(rows) - ROWS_SHOWN} more rows in the API"
    return table


def _local(instant: object, zone: str) -> str:
    if not instant:
        return ""
    nearest = datetime.fromisoformat(str(instant)) + timedelta(milliseconds=500)
    return f"{nearest.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def _hours(minutes: object) -> str:
    hours, rest = divmod(int(str(minutes)), 60)
    return f"{hours}:{rest:02d}"


def refusals_table(played: Iterable[Played], log: Log, stores: Stores) -> Table:
    """Return what was refused, by whom and why."""
    table = Table("capture", "refused by", "why", title="refused", **COMPACT)
    rows = {row.capture_id: row for row in stores.captures}
    for item in played:
        identity = item.shot.capture_id
        if not item.answer.accepted:
            table.add_row(
                item.planned.what, f"ingest {item.answer.status}", str(item.answer.body.get("detail"))
            )
        elif identity in log.dead:
            table.add_row(item.planned.what, "recognition-worker, dead letter", log.dead[identity])
        elif rows[identity].outcome in REFUSED_OUTCOMES:
            row = rows[identity]
            table.add_row(item.planned.what, f"recognition-worker, {row.outcome}", str(row.reason))
    return table


def summary(line: str) -> None:
    """Print a line of figures: whole for scripts, and on a terminal broken between words."""
    console.print(line, markup=False, soft_wrap=not console.is_terminal)
