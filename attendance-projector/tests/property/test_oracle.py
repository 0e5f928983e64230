"""The rules agree with an independent reading of the page of rules.

RULE_MONTHS person-months (2,000 unless set; 20,000 before a release). A failure names its seed.
"""

import json
import os

import pytest

from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario
from attendance_testing.projector.oracle.days import oracle
from attendance_testing.projector.random_months import random_month

MONTHS = int(os.environ.get("RULE_MONTHS", "2000"))
PARTS = 20


def explained(scenario: dict[str, object]) -> dict[str, object]:
    result = explain_scenario(read_scenario(json.dumps(scenario).encode()))
    for day in result["days"]:
        del day["explanation"]
    return result


@pytest.mark.parametrize("part", range(PARTS))
def test_the_oracle_agrees_on_random_person_months(part: int) -> None:
    for seed in range(part, MONTHS, PARTS):
        scenario = random_month(seed)
        assert explained(scenario) == oracle(scenario), f"person-month of seed {seed} differs"
