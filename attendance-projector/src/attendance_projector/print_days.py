"""The days of a scenario as a person reads them."""

from typing import Any

from rich.console import Console


def print_days(console: Console, result: dict[str, Any]) -> None:
    """Print each day with its figures and the rules behind it, then the punches to review."""
    for day in result["days"]:
        hours, minutes = divmod(day["worked_minutes"], 60)
        marks = [mark for mark in ("late", "early") if day[mark]]
        marks += [f"missing {day['missing']}"] if day["missing"] else []
        console.print(
            f"{day['attendance_on']}  {day['shift']}  {day['status']}  {hours} h {minutes:02d} min"
            f"{'  (' + ', '.join(marks) + ')' if marks else ''}",
            markup=False,
        )
        for entry in day["explanation"]:
            about = f"{entry['punch']}: " if entry["punch"] else ""
            console.print(f"    {about}{entry['text']} [{entry['rule']}]", markup=False)
    if result["unscheduled"]:
        console.print(f"unscheduled, for review: {', '.join(result['unscheduled'])}", markup=False)
    if not result["days"] and not result["unscheduled"]:
        console.print("no days")
