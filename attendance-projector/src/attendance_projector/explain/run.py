"""Put together what explains: files and the database on one side, the terminal on the other."""

import asyncio
import json
from calendar import monthrange
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attendance_projector.errors import SnapshotRefused, UnknownPerson
from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import StoredExplanation, explain_stored
from attendance_projector.explain.print_days import print_days
from attendance_projector.explain.print_explanation import (
    DIFFERS,
    UNPAID,
    explanation_json,
    person_json,
    print_explanation,
    print_person,
    print_totals,
    totals_json,
)
from attendance_projector.explain.scenario.apply import (
    ScenarioError,
    explain_scenario,
    read_scenario,
    write_scenario,
)
from attendance_projector.explain.scenario.rule_inputs import check_date
from attendance_projector.explain.stored_scenario import scenario_of
from attendance_projector.explain.what_if import Totals, check_shifts, compare_days, people_asked
from attendance_projector.explain.what_if_file import WhatIf, read_what_if
from attendance_projector.plain_failures import plain_failures
from attendance_projector.settings import SERVICE
from service_kit.command import load_or_refuse, refuse
from service_kit.settings import DatabaseSettings

T = TypeVar("T")
DIFFERENT, UNREADABLE = 1, 3
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def explain_file(path: Path, *, as_json: bool) -> None:
    """Print the days of a scenario file."""
    try:
        result = explain_scenario(read_scenario(path.read_bytes()))
    except ScenarioError as error:
        refuse(SERVICE, error)
    if as_json:
        console.print_json(json.dumps(result))
    else:
        print_days(console, result)


def explain_person(
    person_id: str, org_id: str | None, on: str | None, *, as_json: bool, as_scenario: bool
) -> None:
    """Print what the database has of a person's date, and why. Ends with 1 when the rules say otherwise."""
    found = _run(_explain(person_id, org_id, _date("--on", on)))
    if as_scenario:
        _print_scenario(found)
    elif as_json:
        console.print_json(json.dumps(explanation_json(found)))
    else:
        print_explanation(console, found)
    if found.is_wrong:
        errors.print(DIFFERS if found.lock is None else UNPAID, soft_wrap=True)
        raise typer.Exit(DIFFERENT)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose days to compare: a person's, or of all people of a site; org_id: where several have the id."""

    person_id: str | None
    site_id: str | None
    org_id: str | None


def compare_month(path: Path, whose: Whose, month: str | None, *, as_json: bool) -> None:
    """Print which days of a month a what-if would change."""
    first_on = _date("--month", month, "-01")
    try:
        what_if = read_what_if(path.read_bytes())
    except ScenarioError as error:
        refuse(SERVICE, error)
    _run(_compare(what_if, whose, first_on, as_json=as_json))


async def _explain(person_id: str, org_id: str | None, on: date) -> StoredExplanation:
    async with open_snapshot(_database(), org_id) as snapshot:
        return await explain_stored(snapshot, person_id, on, org_id)


def _print_scenario(found: StoredExplanation) -> None:
    person = found.facts.person
    if person.schedule is None:
        refuse(SERVICE, f"home site {person.home_site_id} is not recorded: there are no days to export")
    if found.final is not None:
        refuse(SERVICE, f"{found.on} is final: its punches are not kept, or do not count any more")
    scenario = scenario_of(found.facts, found.on, found.on)
    console.print(write_scenario(scenario).decode(), end="", markup=False, soft_wrap=True)


async def _compare(what_if: WhatIf, whose: Whose, first_on: date, *, as_json: bool) -> None:
    last_on = first_on.replace(day=monthrange(first_on.year, first_on.month)[1])
    totals = Totals()
    async with open_snapshot(_database(), whose.org_id) as snapshot:
        people = await people_asked(snapshot, whose.person_id, whose.site_id, whose.org_id)
        await check_shifts(snapshot, what_if, people)
        with _progress() as progress:
            task = progress.add_task("people", total=len(people))
            async with aclosing(compare_days(snapshot, people, first_on, last_on, what_if)) as compared:
                async for each in compared:
                    totals.add(each)
                    if as_json:
                        _print_line(person_json(each))
                    else:
                        print_person(console, each)
                    progress.advance(task)
    if as_json:
        _print_line({"totals": totals_json(totals)})
    else:
        print_totals(console, totals)


def _progress() -> Progress:
    """Show how far a site is, on the terminal only: what is printed can go to a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


def _print_line(fields: dict[str, Any]) -> None:
    console.print(json.dumps(fields), markup=False, soft_wrap=True)


def _date(option: str, text: str | None, rest: str = "") -> date:
    if text is None:
        refuse(SERVICE, f"{option} is missing")
    try:
        on = date.fromisoformat(text + rest)
        check_date(option, on)
    except (ValueError, ScenarioError) as error:
        refuse(SERVICE, f"{option} {text} does not read: {error}")
    return on


def _database() -> str:
    return load_or_refuse(SERVICE, DatabaseSettings).url.get_secret_value()


def _run(work: Coroutine[Any, Any, T]) -> T:
    with plain_failures(UNREADABLE):
        try:
            return asyncio.run(work)
        except (UnknownPerson, SnapshotRefused, ScenarioError) as error:
            refuse(SERVICE, error)
