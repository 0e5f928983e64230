"""The days of a scenario, and the checks of many, as a person reads them."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from attendance_projector.explain.scenario.check import CheckedScenario


def print_days(console: Console, result: dict[str, Any]) -> None:
    """Print each day with its figures and the rules behind it, then the punches to review."""
    for day in result["days"]:
        hours, minutes = divmod(day["worked_minutes"], 60)
        marks = [mark for mark in ("late", "early") if day[mark]]
        marks += [f"overtime {day['overtime_minutes']} min"] if day["overtime_minutes"] else []
        marks += [f"break {day['break_minutes']} min"] if day["break_minutes"] else []
        marks += [f"missing {day['missing']}"] if day["missing"] else []
        shift = day["shift"] or "no shift"
        console.print(
            f"{day['attendance_on']}  {shift}  {day['status']}  {hours} h {minutes:02d} min"
            f"{'  (' + ', '.join(marks) + ')' if marks else ''}",
            markup=False,
        )
        for entry in day["explanation"]:
            about = f"{entry['punch']}: " if entry["punch"] else ""
            console.print(f"    {about}{entry['text']} [{entry['rule']}]", markup=False, soft_wrap=True)
    for each in result.get("adjustments", ()):
        about = f"{each['attendance_on']}  {each['shift'] or 'no shift'}"
        paid = "paid with" if each["settled"] else "goes to"
        console.print(f"adjustment of {about}: {paid} {each['booked_on']}", markup=False)
        for entry in each["explanation"]:
            named = f"{entry['punch']}: " if entry["punch"] else ""
            console.print(f"    {named}{entry['text']} [{entry['rule']}]", markup=False, soft_wrap=True)
    if result["unscheduled"]:
        console.print(f"unscheduled, for review: {', '.join(result['unscheduled'])}", markup=False)
    if not result["days"] and not result["unscheduled"]:
        console.print("no days")


def print_checks(console: Console, checked: Sequence[CheckedScenario]) -> None:
    """Print each scenario with the rules that decided it, and where it differs from what is expected."""
    for each in checked:
        verdict = "differs" if each.differences else "ok"
        console.print(f"{verdict}  {each.name}: {', '.join(each.rules)}", markup=False, soft_wrap=True)
        for difference in each.differences:
            console.print(f"    {difference}", markup=False, soft_wrap=True)
    wrong = sum(bool(each.differences) for each in checked)
    console.print(f"{len(checked)} scenarios, {wrong} differ")
