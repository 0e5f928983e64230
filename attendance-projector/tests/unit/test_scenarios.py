import json
from pathlib import Path

import pytest

from attendance_projector.scenario import explain_scenario, read_scenario

FOLDER = Path(__file__).parent.parent / "scenarios"
NAMES = sorted(path.name.removesuffix(".expected.json") for path in FOLDER.glob("*.expected.json"))


@pytest.mark.parametrize("name", NAMES)
def test_scenario_gives_the_expected_days(name: str) -> None:
    result = explain_scenario(read_scenario((FOLDER / f"{name}.json").read_bytes()))
    expected = json.loads((FOLDER / f"{name}.expected.json").read_text())
    shown = [
        {field: day[field] for field in wanted}
        for day, wanted in zip(result["days"], expected["days"], strict=False)
    ]
    assert shown == expected["days"]
    assert len(result["days"]) == len(expected["days"])
    assert result["unscheduled"] == expected["unscheduled"]
    assert result["review"] == expected["review"]


def test_every_scenario_file_has_expectations() -> None:
    files = {
        path.name.removesuffix(".json") for path in FOLDER.glob("*.json") if ".expected." not in path.name
    }
    assert files == set(NAMES)


def test_explanation_names_a_rule_for_every_punch() -> None:
    for name in NAMES:
        content = (FOLDER / f"{name}.json").read_bytes()
        result = explain_scenario(read_scenario(content))
        ids = {punch["id"] for punch in json.loads(content)["punches"]}
        explained = {entry["punch"] for day in result["days"] for entry in day["explanation"]}
        if "range" not in json.loads(content):
            assert ids == (explained | set(result["unscheduled"])) - {None}
