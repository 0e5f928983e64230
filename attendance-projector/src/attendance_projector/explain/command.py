"""`explain`: the rules on a scenario file, on what the database has of a person, or on what it might have."""

import asyncio
import json
from calendar import monthrange
from collections.abc import Coroutine
from contextlib import aclosing
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attendance_projector.errors import ProjectorError, SnapshotRefused, UnknownPerson
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
from service_kit.errors import ServiceKitError, SettingsError
from service_kit.settings import DatabaseSettings

T = TypeVar("T")
DIFFERENT, WRONG_USAGE, UNREADABLE = 1, 2, 3
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def explain(
    *,
    scenario: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Scenario file, JSON; needs no server.")
    ] = None,
    from_store: Annotated[
        str | None, typer.Option(metavar="PERSON", help="What the database has of this person, and why.")
    ] = None,
    on: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The date, with --from-store.")] = None,
    as_scenario: Annotated[
        bool, typer.Option("--as-scenario", help="With --from-store: print a scenario file of the same days.")
    ] = False,
    what_if: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Policy and shift fields as they might be, JSON."),
    ] = None,
    person: Annotated[str | None, typer.Option(help="Whose days to compare, with --what-if.")] = None,
    site: Annotated[str | None, typer.Option(help="Whose people to compare, with --what-if.")] = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Which, with --what-if.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say what the rules make of facts, and why: of a file, of what is stored, or of what might be.

    Reads only. 0: done. 1: stored rows differ from what the rules give. 2: what was asked for is wrong or
    unknown. 3: the database cannot be read.
    """
    if sum(each is not None for each in (scenario, from_store, what_if)) != 1:
        _refuse("give one of --scenario FILE, --from-store PERSON or --what-if FILE")
    if from_store is None and (on is not None or as_scenario):
        _refuse("--on and --as-scenario go with --from-store")
    if what_if is None and (person, site, month) != (None, None, None):
        _refuse("--person, --site and --month go with --what-if")
    if scenario is not None:
        _explain_file(scenario, as_json=as_json)
    elif from_store is not None:
        found = _run(_explain(from_store, _date("--on", on)))
        _show(found, as_json=as_json, as_scenario=as_scenario)
    elif what_if is not None:
        if (person is None) == (site is None):
            _refuse("--what-if compares the days of either --person or --site")
        first_on = _date("--month", month, "-01")
        _run(_compare(_what_if(what_if), person, site, first_on, as_json=as_json))


def _explain_file(path: Path, *, as_json: bool) -> None:
    try:
        result = explain_scenario(read_scenario(path.read_bytes()))
    except ScenarioError as error:
        _refuse(str(error), error)
    if as_json:
        console.print_json(json.dumps(result))
    else:
        print_days(console, result)


def _what_if(path: Path) -> WhatIf:
    try:
        return read_what_if(path.read_bytes())
    except ScenarioError as error:
        _refuse(str(error), error)


async def _explain(person_id: str, on: date) -> StoredExplanation:
    async with open_snapshot(_database()) as snapshot:
        return await explain_stored(snapshot, person_id, on)


def _show(found: StoredExplanation, *, as_json: bool, as_scenario: bool) -> None:
    if as_scenario:
        if found.facts.person.schedule is None:
            _refuse(
                f"home site {found.facts.person.home_site_id} is not recorded: there are no days to export"
            )
        if found.final is not None:
            _refuse(f"{found.on} is final: its punches are not kept, or do not count any more")
        scenario = scenario_of(found.facts, found.on, found.on)
        console.print(write_scenario(scenario).decode(), end="", markup=False, soft_wrap=True)
    elif as_json:
        console.print_json(json.dumps(explanation_json(found)))
    else:
        print_explanation(console, found)
    if found.is_wrong:
        errors.print(DIFFERS if found.lock is None else UNPAID, soft_wrap=True)
        raise typer.Exit(DIFFERENT)


async def _compare(
    what_if: WhatIf, person_id: str | None, site_id: str | None, first_on: date, *, as_json: bool
) -> None:
    last_on = first_on.replace(day=monthrange(first_on.year, first_on.month)[1])
    totals = Totals()
    async with open_snapshot(_database()) as snapshot:
        people = await people_asked(snapshot, person_id, site_id)
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
        _refuse(f"{option} is missing")
    try:
        on = date.fromisoformat(text + rest)
        check_date(option, on)
    except (ValueError, ScenarioError) as error:
        _refuse(f"{option} {text} does not read: {error}", error)
    return on


def _database() -> str:
    return DatabaseSettings.load().url.get_secret_value()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (UnknownPerson, SnapshotRefused, ScenarioError, SettingsError) as error:
        _refuse(str(error), error)
    except (ServiceKitError, ProjectorError, asyncpg.PostgresError, OSError) as error:
        errors.print(str(error) or repr(error), markup=False, soft_wrap=True)
        raise typer.Exit(UNREADABLE) from error


def _refuse(problem: str, error: Exception | None = None) -> NoReturn:
    errors.print(problem, markup=False, soft_wrap=True)
    raise typer.Exit(WRONG_USAGE) from error
