import json
from pathlib import Path

import pytest

from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario
from attendance_projector.explain.scenario.check import EXPECTED, check_scenario, check_scenarios

FOLDER = Path(__file__).parent.parent / "scenarios"
NAMES = sorted({path.name.removesuffix(EXPECTED).removesuffix(".json") for path in FOLDER.glob("*.json")})
DAY = {"id": "day", "start": "08:00", "end": "12:00"}
PUNCHES = [{"id": "p1", "at": "2026-03-02T08:00"}, {"id": "p2", "at": "2026-03-02T12:00"}]
MORNING = {"site_zone": "UTC", "shifts": [DAY], "default_shift": "day", "punches": PUNCHES}
AS_EXPECTED = {"days": [{"worked_minutes": 240, "rules": ["window"]}], "unscheduled": [], "review": []}


@pytest.mark.parametrize("name", NAMES)
def test_scenario_gives_the_expected_days_and_explains_every_punch(name: str) -> None:
    assert check_scenario(FOLDER, name).differences == ()
    assert_a_rule_for_every_punch(name)


def test_there_are_scenarios_for_every_field() -> None:
    assert len(NAMES) >= 150


def assert_a_rule_for_every_punch(name: str) -> None:
    content = json.loads((FOLDER / f"{name}.json").read_bytes())
    if "error" in json.loads((FOLDER / f"{name}{EXPECTED}").read_bytes()) or "range" in content:
        return
    result = explain_scenario(read_scenario(json.dumps(content).encode()))
    corrections = content.get("corrections", [])
    voided = {each.get("punch") for each in corrections if each["kind"] == "void"}
    # What came after a lock and changed no figure is in no explanation: the day stays as it was.
    ids = {punch["id"] for punch in content.get("punches", []) if "recorded_at" not in punch}
    undone = {each.get("correction") for each in corrections}
    ids |= {
        each["punch"] for each in corrections if each["kind"] == "add" and each.get("id", "") not in undone
    }
    rows = [*result["days"], *result.get("adjustments", ())]
    explained = {entry["punch"] for row in rows for entry in row["explanation"]}
    assert ids - voided <= explained | set(result["unscheduled"])


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        (AS_EXPECTED, None),
        (AS_EXPECTED | {"days": [{"worked_minutes": 0}]}, "days[0].worked_minutes: 240, expected 0"),
        (AS_EXPECTED | {"days": [{"rules": ["holiday"]}]}, "days[0].explanation: rule holiday is not named"),
        (AS_EXPECTED | {"days": []}, "days: ['2026-03-02 day'], expected 0"),
        (AS_EXPECTED | {"unscheduled": ["p9"]}, "unscheduled: [], expected ['p9']"),
        ({"error": "site_zone"}, "no error; expected 'site_zone'"),
    ],
)
def test_a_difference_names_the_field(tmp_path: Path, expected: dict[str, object], difference: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(MORNING))
    (tmp_path / f"a{EXPECTED}").write_text(json.dumps(expected))
    (checked,) = check_scenarios(tmp_path)
    assert list(checked.differences) == ([difference] if difference else [])


def test_an_error_is_a_difference_unless_it_is_expected(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(MORNING | {"site_zone": "Mars"}))
    (tmp_path / f"a{EXPECTED}").write_text(json.dumps(AS_EXPECTED))
    assert "site_zone" in check_scenario(tmp_path, "a").differences[0]
    (tmp_path / f"a{EXPECTED}").write_text(json.dumps({"error": "site_zone"}))
    assert check_scenario(tmp_path, "a").differences == ()


def test_a_scenario_without_expectations_is_a_difference(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(MORNING))
    assert "cannot be checked" in check_scenario(tmp_path, "a").differences[0]
