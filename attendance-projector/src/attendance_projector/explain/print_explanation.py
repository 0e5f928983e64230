"""What explains stored days, and what compares them with a what-if, for people and for scripts."""

from typing import Any

from rich.console import Console

from attendance_projector.domain.day import AttendanceDay
from attendance_projector.explain.explain_stored import StoredExplanation
from attendance_projector.explain.print_days import print_days
from attendance_projector.explain.recorded import Columns, local_text, utc_text
from attendance_projector.explain.scenario.apply import day_as_json
from attendance_projector.explain.what_if import FIGURES, ChangedDay, ComparedPerson, Side, Totals

STALE = "the date waits to be computed again, since a fact about many people; ask again in a moment"
DIFFERS = (
    "the stored rows are not what the rules give from these facts: a bug, or tables of an older version. "
    "Keep the output of --as-scenario for the report; `rebuild` puts the rows right."
)

UNPAID = (
    "the stored day and its adjustments do not add up to what the rules give: a bug. Keep the output of "
    "--as-scenario for the report; `rebuild` puts the rows right."
)


FINAL = (
    "the day is final: the punches around it are not kept, or do not count any more, so the rules cannot be "
    "asked. Shown is what is stored, if the month of the day is still kept."
)
STORED = (
    *("status", "worked_minutes", "late", "late_minutes", "early", "early_minutes", "overtime_minutes"),
    *("break_minutes", "explanation"),
)


def explanation_json(found: StoredExplanation) -> dict[str, Any]:
    """Return an explanation for scripts."""
    facts = found.facts
    return {
        "person": facts.person.key.person_id,
        "on": found.on.isoformat(),
        "site_zone": None if facts.person.schedule is None else facts.schedule.zone_on(found.on).key,
        "as_of": None if facts.as_of is None else utc_text(facts.as_of),
        "facts": [
            {
                "kind": each.kind,
                "id": each.fact_id,
                "version": each.version,
                "recorded_at": None if each.recorded_at is None else utc_text(each.recorded_at),
                "text": each.text(facts.schedule.zone_on(found.on)),
            }
            for each in found.recorded
        ],
        **days_json(found),
        "waiting": list(found.waiting),
        "locked": found.lock is not None,
        "final": found.final is not None,
        "differences": [
            {"where": each.where, "stored": _plain(each.stored), "computed": _plain(each.computed)}
            for each in (*found.differences, *found.unpaid)
        ],
    }


def days_json(found: StoredExplanation) -> dict[str, Any]:
    """Return the days as `explain --scenario` returns them."""
    unscheduled = list(found.unscheduled)
    days = [day_as_json(each.day) for each in found.days]
    if found.final is not None:
        days = [_stored_json(shift_id, columns) for shift_id, columns in sorted(found.final.items())]
    return {"days": days, "unscheduled": unscheduled, "review": unscheduled}


def _stored_json(shift_id: str, columns: Columns) -> dict[str, Any]:
    """Return a stored day as the rules would have it, without the ids of its punches."""
    return {
        "attendance_on": str(columns["attendance_on"]),
        "shift": shift_id or None,
        "first_in": _plain(columns["first_in_at"]),
        "last_out": _plain(columns["last_out_at"]),
        "missing": _plain(columns["missing"]),
        **{name: columns[name] for name in STORED},
    }


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | str | list) else str(value)


def print_explanation(console: Console, found: StoredExplanation) -> None:
    """Print the facts, the days with their rules, and whether the tables say the same."""
    facts, zone = found.facts, found.facts.schedule.zone_on(found.on)
    known = "no tick has come" if facts.as_of is None else f"time has come to {local_text(facts.as_of, zone)}"
    _line(console, f"{facts.person.key.person_id} on {found.on}, {zone.key}; {known}")
    for each in found.recorded:
        version = f" ({each.version})" if each.version else ""
        when = f"; recorded {utc_text(each.recorded_at)}" if each.recorded_at else ""
        _line(console, f"  {each.kind} {each.fact_id}{version}: {each.text(zone)}{when}")
    console.print()
    print_days(console, days_json(found))
    if facts.person.schedule is None:
        _line(
            console,
            f"home site {facts.person.home_site_id} is not recorded, so no zone is known; "
            f"{len(found.waiting)} punches wait for it: PUT /v1/directory/sites/{facts.person.home_site_id}",
        )
    console.print()
    for difference in (*found.differences, *found.unpaid):
        _line(console, f"{difference.where}: stored {difference.stored}, rules {difference.computed}")
    _line(console, _verdict(found))


def _verdict(found: StoredExplanation) -> str:
    lock = found.lock
    if found.final is not None:
        closed = "" if lock is None else f"{lock.starts_on} to {lock.ends_on} was closed {lock.made.text}. "
        return closed + FINAL
    if found.is_stale:
        return STALE
    if lock is None:
        return DIFFERS if found.differences else "the stored rows are what the rules give"
    closed = f"{lock.starts_on} to {lock.ends_on} was closed {lock.made.text}."
    if found.unpaid:
        return f"{closed} {UNPAID}"
    return f"{closed} What is stored stays; what the rules say otherwise now is an adjustment."


def person_json(person: ComparedPerson) -> dict[str, Any]:
    """Return a compared person for scripts."""
    return {
        "person": person.person_id,
        "changed": [
            {
                "attendance_on": each.on.isoformat(),
                "shift": each.shift_id or None,
                "before": _figures_json(each.before),
                "after": _figures_json(each.after),
            }
            for each in person.changed
        ],
        "totals": totals_json(person.totals),
    }


def totals_json(totals: Totals) -> dict[str, Any]:
    """Return totals for scripts."""
    return {
        "people": totals.people,
        "changed_people": totals.changed_people,
        "changed_days": totals.changed_days,
        "before": _side_json(totals.before),
        "after": _side_json(totals.after),
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {"statuses": dict(sorted(side.statuses.items())), **{name: side.figures[name] for name in FIGURES}}


def _figures_json(day: AttendanceDay | None) -> dict[str, Any] | None:
    return (
        None
        if day is None
        else {"status": day.status.value, **{name: getattr(day, name) for name in FIGURES}}
    )


def print_person(console: Console, person: ComparedPerson) -> None:
    """Print the days of a person that would change, old and new side by side, and the totals."""
    if not person.changed:
        return
    _line(console, person.person_id)
    for each in person.changed:
        shift = each.shift_id or "no shift"
        _line(console, f"  {each.on}  {shift:<12} {_day_text(each)}")
    _line(console, f"  {'total':<24} {_totals_text(person.totals)}")


def print_totals(console: Console, totals: Totals) -> None:
    """Print what all people add up to."""
    people = f"{totals.changed_people} of {totals.people} people"
    _line(console, f"{totals.changed_days} days change, of {people}")
    _line(console, f"  {_totals_text(totals)}")
    for status in sorted(totals.before.statuses.keys() | totals.after.statuses.keys()):
        before, after = totals.before.statuses[status], totals.after.statuses[status]
        if before != after:
            _line(console, f"  {status:<12} {before} -> {after} days")


def _day_text(day: ChangedDay) -> str:
    before, after = day.before, day.after
    if before is None or after is None:
        return f"{_summary(before)} -> {_summary(after)}"
    parts = [_side_by_side("", before.status.value, after.status.value)]
    parts.append(_side_by_side("worked ", _hours(before.worked_minutes), _hours(after.worked_minutes)))
    for name in FIGURES[1:]:
        if getattr(before, name) != getattr(after, name):
            label = name.removesuffix("_minutes")
            parts.append(f"{label} {getattr(before, name)} -> {getattr(after, name)} min")
    return ", ".join(parts)


def _summary(day: AttendanceDay | None) -> str:
    return "no day" if day is None else f"{day.status.value} {_hours(day.worked_minutes)}"


def _totals_text(totals: Totals) -> str:
    before, after = totals.before.figures, totals.after.figures
    parts = [_side_by_side("worked ", _hours(before["worked_minutes"]), _hours(after["worked_minutes"]))]
    for name in FIGURES[1:]:
        if before[name] or after[name]:
            label = name.removesuffix("_minutes")
            parts.append(_side_by_side(f"{label} ", f"{before[name]} min", f"{after[name]} min"))
    return ", ".join(parts)


def _side_by_side(label: str, before: str, after: str) -> str:
    return f"{label}{before}" if before == after else f"{label}{before} -> {after}"


def _hours(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
