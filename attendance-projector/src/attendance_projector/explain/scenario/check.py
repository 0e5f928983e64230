"""Golden scenarios: each file beside the days that are expected of it.

`NAME.expected.json` names the fields of a day that the scenario is about; the others may be anything. Days
and lists must match in number and order. `{"error": TEXT}` expects an error whose message contains the text.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attendance_projector.explain.scenario.apply import ScenarioError, explain_scenario, read_scenario

EXPECTED = ".expected.json"


@dataclass(frozen=True, slots=True)
class CheckedScenario:
    """A scenario, the names of the rules that decided it, and how it differs from what is expected."""

    name: str
    rules: tuple[str, ...]
    differences: tuple[str, ...]


def check_scenarios(folder: Path) -> list[CheckedScenario]:
    """Check every scenario of a folder, in order of name."""
    names = {path.name.removesuffix(EXPECTED).removesuffix(".json") for path in folder.glob("*.json")}
    return [check_scenario(folder, name) for name in sorted(names)]


def check_scenario(folder: Path, name: str) -> CheckedScenario:
    """Apply the rules to one scenario and compare."""
    try:
        content = (folder / f"{name}.json").read_bytes()
        expected = json.loads((folder / f"{name}{EXPECTED}").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError) as error:
        return CheckedScenario(name, (), (f"cannot be checked: {error}",))
    try:
        result = explain_scenario(read_scenario(content))
    except ScenarioError as error:
        wanted = expected.get("error")
        is_expected = wanted is not None and wanted in str(error)
        return CheckedScenario(name, ("scenario_error",), () if is_expected else (f"error: {error}",))
    if "error" in expected:
        return CheckedScenario(name, (), (f"no error; expected {expected['error']!r}",))
    explained = [*result["days"], *result.get("adjustments", ())]
    rules = {entry["rule"] for each in explained for entry in each["explanation"]}
    rules |= {"unscheduled"} if result["unscheduled"] else set()
    return CheckedScenario(name, tuple(sorted(rules)), tuple(_differences(result, expected)))


def _differences(result: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    found = []
    for field in ("unscheduled", "review"):
        if result[field] != expected[field]:
            found.append(f"{field}: {result[field]}, expected {expected[field]}")
    for name in ("days", "adjustments"):
        found += _row_differences(name, result.get(name, []), expected.get(name, []))
    return found


def _row_differences(name: str, rows: list[dict[str, Any]], wanted_rows: list[dict[str, Any]]) -> list[str]:
    found = []
    if len(rows) != len(wanted_rows):
        shown = [f"{row['attendance_on']} {row['shift']}" for row in rows]
        found.append(f"{name}: {shown}, expected {len(wanted_rows)}")
    for number, (row, wanted) in enumerate(zip(rows, wanted_rows, strict=False)):
        for field, value in wanted.items():
            if field == "rules":
                missing = set(value) - {entry["rule"] for entry in row["explanation"]}
                found += [
                    f"{name}[{number}].explanation: rule {rule} is not named" for rule in sorted(missing)
                ]
            elif row[field] != value:
                found.append(f"{name}[{number}].{field}: {row[field]!r}, expected {value!r}")
    return found
