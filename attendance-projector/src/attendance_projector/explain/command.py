"""`explain`: the rules on a scenario file, on what the database has of a person, or on what it might have."""

from pathlib import Path
from typing import Annotated

import typer

from attendance_projector.settings import SERVICE
from service_kit.command import ExitCode, refuse

ScenarioFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Scenario file, JSON; needs no server.")
]
Person = Annotated[
    str | None, typer.Option(metavar="PERSON", help="What the database has of this person, and why.")
]
On = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The date, with --from-store.")]
AsScenario = Annotated[
    bool, typer.Option("--as-scenario", help="With --from-store: print a scenario file of the same days.")
]
WhatIfFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Policy and shift fields as they might be, JSON."),
]
ComparedPerson = Annotated[str | None, typer.Option(help="Whose days to compare, with --what-if.")]
ComparedSite = Annotated[str | None, typer.Option(help="Whose people to compare, with --what-if.")]
Organisation = Annotated[
    str | None, typer.Option(metavar="ORG", help="Whose the person or site is, where several have the id.")
]
Month = Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Which, with --what-if.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Folder = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="NAME.json, NAME.expected.json")]


def explain(
    *,
    scenario: ScenarioFile = None,
    from_store: Person = None,
    on: On = None,
    as_scenario: AsScenario = False,
    what_if: WhatIfFile = None,
    person: ComparedPerson = None,
    site: ComparedSite = None,
    org: Organisation = None,
    month: Month = None,
    as_json: AsJson = False,
) -> None:
    """Say what the rules make of facts, and why.

    Of the facts in a file, of those that are stored, or of those that might be. Reads only. Ends with 0:
    done. 1: stored rows differ from what the rules give. 2: what was asked for is wrong or unknown. 3: the
    database cannot be read.
    """
    if sum(each is not None for each in (scenario, from_store, what_if)) != 1:
        refuse(SERVICE, "give one of --scenario FILE, --from-store PERSON or --what-if FILE")
    if from_store is None and (on is not None or as_scenario):
        refuse(SERVICE, "--on and --as-scenario go with --from-store")
    if what_if is None and (person, site, month) != (None, None, None):
        refuse(SERVICE, "--person, --site and --month go with --what-if")
    if scenario is not None and org is not None:
        refuse(SERVICE, "--org goes with --from-store and --what-if")
    from attendance_projector.explain import run

    if scenario is not None:
        run.explain_file(scenario, as_json=as_json)
    elif from_store is not None:
        run.explain_person(from_store, org, on, as_json=as_json, as_scenario=as_scenario)
    elif what_if is not None:
        if (person is None) == (site is None):
            refuse(SERVICE, "--what-if compares the days of either --person or --site")
        run.compare_month(what_if, run.Whose(person, site, org), month, as_json=as_json)


def scenarios(folder: Folder) -> None:
    """Apply the rules to every scenario of a folder.

    Prints each with its rules, and every difference; ends with 1 when there is one.
    """
    from rich.console import Console

    from attendance_projector.explain.print_days import print_checks
    from attendance_projector.explain.scenario.check import check_scenarios

    checked = check_scenarios(folder)
    print_checks(Console(highlight=False), checked)
    if not checked or any(each.differences for each in checked):
        raise typer.Exit(ExitCode.FAILED)
