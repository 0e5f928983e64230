import json
from typing import Any

import pytest

from attendance_projector.explain.scenario.apply import ScenarioError, explain_scenario, read_scenario

SHIFT: dict[str, Any] = {"id": "day", "start": "08:00", "end": "12:00"}
BASE: dict[str, Any] = {"site_zone": "Asia/Kolkata", "shifts": [SHIFT], "default_shift": "day", "punches": []}
WHO = {"by": "hr-1", "reason": "asked"}
PUNCH = {"id": "p", "at": "2026-03-02T08:00"}
ADD = {"kind": "add", "punch": "a", "at": "2026-03-02T08:00"} | WHO
OVERRIDE = {"kind": "override", "on": "2026-03-02", "status": "PRESENT"} | WHO
ROTATING = {"shift": "day", "from": "2026-03-02"}


def explain(**changes: Any) -> dict[str, Any]:
    return explain_scenario(read_scenario(json.dumps(BASE | changes).encode()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hollidays": []}, "hollidays"),
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
        ({"roster": [{"shift": "day", "from": "2026-03-02", "to": "2026-03-01"}]}, r"roster\[0\]\.to"),
        (
            {"roster": [{"shift": "day", "from": "2026-03-02", "weekdays": ["someday"]}]},
            r"roster\[0\]\.weekdays",
        ),
        ({"punches": [{"id": "p", "at": "noon"}]}, r"punches\[0\]\.at"),
        ({"range": ["2026-03-02", "2026-03-01"]}, "range"),
        ({"range": ["2000-01-01", "2026-03-01"]}, "range: more than"),
        ({"range": ["1000-01-01", "1000-01-02"]}, "range: 1000-01-01"),
        ({"holidays": ["9999-12-31"]}, r"holidays\[0\]"),
        ({"leave": [{"on": "0001-01-01"}]}, r"leave\[0\]\.on"),
        ({"day_start": "24:61"}, "day_start"),
        ({"weekly_offs": ["someday"]}, "^weekly_offs"),
        ({"shifts": [SHIFT | {"id": ""}]}, "id"),
        ({"shifts": [SHIFT | {"break_minutes": -1}]}, r"shifts\[0\]\.break_minutes: "),
        ({"shifts": [SHIFT | {"break_after": -1}]}, r"shifts\[0\]\.break_after"),
        ({"shifts": [SHIFT | {"overtime_after": -1}]}, r"shifts\[0\]\.overtime_after"),
        ({"shifts": [SHIFT | {"rounding": {"minutes": 1441, "mode": "up"}}]}, r"rounding\.minutes"),
        ({"shifts": [SHIFT | {"rounding": {"minutes": 5, "mode": "odd"}}]}, "rounding"),
        ({"roster": [ROTATING | {"rotation": {"length": 0, "days": [1]}}]}, r"roster\[0\]\.rotation\.length"),
        ({"roster": [ROTATING | {"rotation": {"length": 3, "days": []}}]}, r"roster\[0\]\.rotation\.days"),
        ({"punches": [{"id": "p", "at": "2026-03-02"}]}, r"punches\[0\]\.at: .* no time of day"),
        ({"punches": [{"id": "p", "at": "0001-01-01T00:00"}]}, r"punches\[0\]\.at"),
        ({"punches": [PUNCH, PUNCH | {"at": "2026-03-02T09:00"}]}, "punches: punch p is given twice"),
        ({"punches": [PUNCH | {"method": "magic"}]}, "method"),
        ({"as_of": "soon"}, "as_of"),
        ({"devices_reported_until": "soon"}, "devices_reported_until"),
        ({"corrections": [{"kind": "mend"} | WHO]}, "kind|mend"),
        ({"corrections": [{"kind": "void", "by": "hr-1"}]}, "reason"),
        ({"corrections": [{"kind": "void"} | WHO]}, r"corrections\[0\]\.punch: name either"),
        ({"corrections": [{"kind": "void", "correction": "c9"} | WHO]}, r"corrections\[0\]\.correction"),
        ({"corrections": [OVERRIDE | {"status": "PENDING"}]}, r"corrections\[0\]\.status"),
        ({"corrections": [OVERRIDE | {"shift": "night"}]}, r"corrections\[0\]\.shift"),
        ({"corrections": [OVERRIDE | {"worked_minutes": -1}]}, "worked_minutes"),
        (
            {"corrections": [OVERRIDE | {"first_in": "2026-03-02T09:00", "last_out": "2026-03-02T08:00"}]},
            r"corrections\[0\]\.last_out",
        ),
        ({"corrections": [ADD, ADD | {"at": "2026-03-02T09:00"}]}, "corrections: punch a is added twice"),
        (
            {"corrections": [ADD | {"id": "c1"}, OVERRIDE | {"id": "c1"}]},
            "corrections: correction c1 is given twice",
        ),
        (
            {
                "corrections": [
                    {"kind": "void", "id": "c1", "correction": "c2"} | WHO,
                    {"kind": "void", "id": "c2", "correction": "c1"} | WHO,
                ]
            },
            "corrections: correction c. voids itself in a circle",
        ),
    ],
)
def test_error_names_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        explain(**changes)


def test_repeated_shift_and_punch_change_nothing() -> None:
    punch = {"id": "p", "at": "2026-03-02T08:00"}
    assert explain(shifts=[SHIFT, SHIFT], punches=[punch, punch]) == explain(punches=[punch])


def test_a_circle_of_corrections_stays_an_error_whatever_it_hangs_on() -> None:
    circle = [
        {"kind": "void", "id": "c1", "correction": "c2"} | WHO,
        {"kind": "void", "id": "c2", "correction": "c1"} | WHO,
        {"kind": "void", "id": "c3", "correction": "c1"} | WHO,
    ]
    with pytest.raises(ScenarioError, match="circle"):
        explain(corrections=circle)


def test_who_when_and_why_are_in_the_explanation() -> None:
    void = {"kind": "void", "punch": "p", "recorded_at": "2026-03-03T09:00:00Z"} | WHO
    result = explain(punches=[PUNCH, {"id": "q", "at": "2026-03-02T12:00"}], corrections=[void])
    (why,) = [each for each in result["days"][0]["explanation"] if each["rule"] == "void_correction"]
    assert why["punch"] == "p"
    assert why["text"] == "not used: voided by hr-1 at 2026-03-03T09:00:00+00:00: asked"
