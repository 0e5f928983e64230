"""Random person-months around clock changes: schedules that workplaces have, and some they should not."""

from datetime import date, datetime, timedelta
from random import Random

# Twelve zones; clocks change in the months below: by an hour, by half an hour, at midnight, or never.
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Auckland",
    "Atlantic/Azores",
    "Asia/Kolkata",
)
MONTHS = tuple(date(2026, month, 1) for month in (3, 4, 9, 10, 11))
CLOCK_TIMES = (
    "00:00",
    "00:30",
    "02:00",
    "02:30",
    "05:00",
    "06:00",
    "08:00",
    "14:00",
    "20:00",
    "22:00",
    "23:00",
)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def random_month(seed: int) -> dict[str, object]:
    """Return a scenario of one person and one month."""
    r = Random(seed)
    first = r.choice(MONTHS)
    range_ = [first.isoformat(), (first + timedelta(days=r.choice([6, 13, 29]))).isoformat()]
    shifts = [_shift(r, name) for name in "abc"[: r.randint(1, 3)]]
    if r.random() < 0.3:
        effective_on = (first + timedelta(days=r.randint(0, 20))).isoformat()
        shifts.append(_shift(r, "a") | {"effective_on": effective_on})
    scenario: dict[str, object] = {
        "site_zone": r.choice(ZONES),
        "shifts": shifts,
        "default_shift": r.choice(["a", "a", None]),
        "roster": [_entry(r, first, shifts) for _ in range(r.randint(0, 3))],
        "flexible": r.random() < 0.3,
        "day_start": r.choice(["05:00", "00:00", "02:30"]),
        "holidays": [_day(r, first) for _ in range(r.randint(0, 2))],
        "weekly_offs": r.sample(WEEK, r.randint(0, 2)),
        "policies": [
            _policy(r, first + timedelta(days=day)) for day in r.sample(range(20), r.choice([0, 0, 2]))
        ],
        "leave": [{"on": _day(r, first), "part": r.choice(["full", "half"])} for _ in range(r.randint(0, 6))],
        "person": _person(r, first),
        "range": range_,
    }
    scenario |= _knowledge(r, first)
    punches = _punches(r, first, shifts)
    return scenario | {"punches": punches, "corrections": _corrections(r, first, shifts, punches)}


def _policy(r: Random, effective_on: date) -> dict[str, object]:
    return {
        "effective_on": effective_on.isoformat(),
        "weekly_offs": r.sample(WEEK, r.randint(0, 2)),
        "flexible": r.random() < 0.5,
        "day_start": r.choice(["05:00", "00:00", "02:30"]),
        "expects_attendance": r.random() < 0.7,
    }


def _day(r: Random, first: date) -> str:
    return (first + timedelta(days=r.randint(0, 29))).isoformat()


def _knowledge(r: Random, first: date) -> dict[str, object]:
    on = first + timedelta(days=r.randint(0, 29))
    reported_on = on - timedelta(days=r.choice([0, 0, 1, 1, 9]))
    return {
        "as_of": _maybe(r, f"{on}T12:00:00Z", f"{on}T23:00:00Z"),
        "devices_reported_until": _maybe(r, f"{reported_on}T09:00:00Z", f"{reported_on}T22:00:00Z"),
    }


def _maybe(r: Random, *values: object) -> object:
    return r.choice([None, *values])


def _shift(r: Random, name: str) -> dict[str, object]:
    return {
        "id": name,
        "start": r.choice(CLOCK_TIMES),
        "end": r.choice(CLOCK_TIMES),
        "time_zone": r.choice([None, None, None, r.choice(ZONES)]),
        "window_before": r.choice([0, 60, 120, 480]),
        "window_after": r.choice([0, 60, 90, 600]),
        "late_grace": _maybe(r, 0, 10),
        "early_grace": _maybe(r, 0, 15),
        "pairing": r.choice(["alternating", "directed"]),
        "counting": r.choice(["first_last", "every_pair"]),
        "half_day_below": _maybe(r, 4, 6.5),
        "absent_below": _maybe(r, 1, 3, 7),
        "debounce": r.choice([0, 60, 600]),
        "break_minutes": r.choice([0, 30, 60]),
        "break_after": r.choice([0, 4, 6]),
        "rounding": _maybe(
            r, *({"minutes": m, "mode": w} for m in (10, 15) for w in ("up", "down", "nearest"))
        ),
        "overtime_after": _maybe(r, 0, 30),
        "overtime_cap": _maybe(r, 45, 120),
        "needs_approval": r.random() < 0.5,
        "count_on_holiday": r.random() < 0.5,
    }


def _entry(r: Random, first: date, shifts: list[dict[str, object]]) -> dict[str, object]:
    starts_on = first + timedelta(days=r.randint(-10, 15))
    until = r.choice([None, (starts_on + timedelta(days=r.randint(0, 20))).isoformat()])
    entry = {"shift": r.choice(shifts)["id"], "from": starts_on.isoformat(), "to": until}
    if r.random() < 0.5:
        length = r.randint(1, 9)
        days = sorted(r.sample(range(1, length + 1), r.randint(1, length)))
        return entry | {"rotation": {"length": length, "days": days}}
    return entry | {"weekdays": r.sample(WEEK, r.randint(1, 7))}


def _person(r: Random, first: date) -> dict[str, object]:
    joined = first + timedelta(days=r.randint(-20, 10))
    left = joined + timedelta(days=r.randint(0, 40))
    return {
        "joined_on": _maybe(r, joined.isoformat()),
        "left_on": _maybe(r, left.isoformat()),
        "active": r.random() < 0.9,
    }


def _punches(r: Random, first: date, shifts: list[dict[str, object]]) -> list[dict[str, object]]:
    ats = []
    for number in range(-1, 31):
        on = first + timedelta(days=number)
        if r.random() < 0.25:
            continue
        shift = r.choice(shifts)
        for field in ("start", "end"):
            at = datetime.fromisoformat(f"{on}T{shift[field]}")
            if field == "end" and str(shift["end"]) <= str(shift["start"]):
                at += timedelta(days=1)
            if r.random() < 0.9:
                ats.append(at + timedelta(seconds=r.choice([0, 0, -3600, r.randint(-5400, 5400)])))
        if r.random() < 0.5:
            middle = datetime.fromisoformat(f"{on}T00:00") + timedelta(seconds=r.randint(0, 86_400))
            ats += [middle, middle + timedelta(seconds=r.choice([30, 60, 61, 1800]))]
    return [
        {"id": f"p{number}", "at": at.isoformat(), "direction": r.choice([None, "in", "out"])}
        for number, at in enumerate(ats)
    ]


def _corrections(
    r: Random, first: date, shifts: list[dict[str, object]], punches: list[dict[str, object]]
) -> list[dict[str, object]]:
    made = []
    hours = r.sample(range(24), 6)
    for number in range(r.choice([0, 0, 3, 6])):
        who = {
            "by": "hr-1",
            "reason": "asked",
            "id": f"c{number}",
            "recorded_at": f"{first}T{hours[number]:02}:00:00Z",
        }
        kind = r.choice(["void", "undo", "add", "override"])
        if kind == "void" and punches:
            made.append(who | {"kind": "void", "punch": r.choice(punches)["id"]})
        elif kind == "undo" and made:
            made.append(who | {"kind": "void", "correction": r.choice(made)["id"]})
        elif kind == "override":
            shift_id = _maybe(r, r.choice(shifts)["id"])
            status = r.choice(["PRESENT", "LEAVE", "ABSENT"])
            # Few dates, so that overrides meet.
            on = (first + timedelta(days=r.randint(0, 3))).isoformat()
            decided = {"on": on, "shift": shift_id, "status": status}
            made.append(who | {"kind": "override", "worked_minutes": r.choice([0, 240])} | decided)
        else:
            at = f"{_day(r, first)}T{r.choice(CLOCK_TIMES)}"
            made.append(who | {"kind": "add", "punch": f"a{number}", "at": at, "direction": "in"})
    return made
