import json
from typing import Any

import pytest

from attendance_projector.scenario import ScenarioError, explain_scenario, read_scenario

SHIFT: dict[str, Any] = {"id": "day", "start": "08:00", "end": "12:00"}
BASE: dict[str, Any] = {"site_zone": "Asia/Kolkata", "shifts": [SHIFT], "default_shift": "day", "punches": []}


def explain(**changes: Any) -> dict[str, Any]:
    return explain_scenario(read_scenario(json.dumps(BASE | changes).encode()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"holidays": []}, "holidays"),
        ({"site_zone": "Mars/Olympus"}, "site_zone"),
        ({"site_zone": "../etc"}, "site_zone"),
        ({"site_zone": "Asia"}, "site_zone"),
        ({"shifts": [SHIFT | {"start": "25:00"}]}, r"shifts\[0\]\.start"),
        ({"shifts": [SHIFT | {"end": "12:00+01:00"}]}, r"shifts\[0\]\.end"),
        ({"shifts": [SHIFT | {"rounding": 5}]}, "rounding"),
        ({"shifts": [SHIFT | {"pairing": "random"}]}, r"shifts\[0\]\.pairing|shifts\[...\]\.pairing"),
        ({"shifts": [SHIFT | {"window_before": -1}]}, r"shifts\[0\]\.window_before"),
        ({"shifts": [SHIFT | {"window_after": 100_000}]}, r"shifts\[0\]\.window_after"),
        ({"shifts": [SHIFT | {"late_grace": 1e300}]}, r"shifts\[0\]"),
        ({"shifts": [SHIFT | {"absent_below": 0}]}, r"shifts\[0\]\.absent_below"),
        ({"shifts": [SHIFT | {"time_zone": "Nowhere"}]}, r"shifts\[0\]\.time_zone"),
        ({"shifts": [SHIFT, SHIFT | {"end": "13:00"}]}, "shifts: shift day has two versions"),
        ({"default_shift": "night"}, "default_shift"),
        ({"roster": [{"shift": "night", "from": "2026-03-01"}]}, r"roster\[0\]\.shift"),
        ({"roster": [{"shift": "day", "from": "2026-03-02", "to": "2026-03-01"}]}, r"roster\[0\]\.ends_on"),
        (
            {"roster": [{"shift": "day", "from": "2026-03-02", "weekdays": ["someday"]}]},
            r"roster\[0\]\.weekdays",
        ),
        ({"punches": [{"id": "p", "at": "noon"}]}, r"punches\[0\]\.at"),
        ({"range": ["2026-03-02", "2026-03-01"]}, "range"),
    ],
)
def test_error_names_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        explain(**changes)


def test_repeated_shift_and_punch_change_nothing() -> None:
    punch = {"id": "p", "at": "2026-03-02T08:00"}
    assert explain(shifts=[SHIFT, SHIFT], punches=[punch, punch]) == explain(punches=[punch])
