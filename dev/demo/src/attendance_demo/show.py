"""What a person sees: the live view while the morning is played, and the tables at the end."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from attendance_demo.audit import REFUSED_OUTCOMES, Log, Stores
from attendance_demo.morning import Planned
from attendance_demo.play import Played

STYLES = {"IDENTIFIED": "green", "REVIEW": "yellow", "UNKNOWN": "yellow", "REFUSED": "red", "NO_FACE": "red"}
NEWEST = 10
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
        newest = Table("at the kiosk", "shown", "who or why", box=None)
        for what, outcome, who in self.newest:
            newest.add_row(what, f"[{STYLES.get(outcome, 'white')}]{outcome}[/]", who[:60])
        return Group(Panel(flow, title="flow", expand=False), Panel(newest, title="newest", expand=False))


def attendance_table(rows: Sequence[Mapping[str, object]], zone: str) -> Table:
    """Return the attendance as the query API answered it; local times of the plant."""
    table = Table(title=f"attendance ({zone})")
    for column in ("date", "name", "shift", "status", "in", "out", "worked", "late"):
        table.add_column(column, no_wrap=column != "name")
    for row in rows[:ROWS_SHOWN]:
        minutes = int(str(row["worked_minutes"]))
        table.add_row(
            str(row["attendance_on"]),
            str(row["display_name"] or row["person_id"]),
            str(row["shift_id"]).rsplit("-", 1)[0],
            str(row["status"]),
            _local(row["first_in_at"], zone),
            _local(row["last_out_at"], zone),
            f"{minutes // 60}:{minutes % 60:02d}",
            f"{row['late_minutes']} min" if row["late"] else "",
        )
    if len(rows) > ROWS_SHOWN:
        table.caption = f"{len(rows) - ROWS_SHOWN} more rows in the API"
    return table


def _local(instant: object, zone: str) -> str:
    return f"{datetime.fromisoformat(str(instant)).astimezone(ZoneInfo(zone)):%H:%M:%S}" if instant else ""


def refusals_table(played: Iterable[Played], log: Log, stores: Stores) -> Table:
    """Return what was refused, by whom and why."""
    table = Table("capture", "refused by", "why", title="refused")
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


def endings(console: Console, urls: Mapping[str, str]) -> None:
    """Print where to look next."""
    for name, url in urls.items():
        console.print(f"{name:<22} {url}", highlight=False)
