"""Random person-months as events, and what the pure rules say about them in the words of the tables."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario
from attendance_schemas.events import (
    Counting,
    DayStatus,
    Direction,
    Event,
    LeavePart,
    MatchDecided,
    Outcome,
    Pairing,
    PunchSubmitted,
    RoundingMode,
    Weekday,
)
from attendance_testing.projector.plant_events import by
from attendance_testing.projector.random_months import random_month

ALWAYS = date(2000, 1, 1)
# The clock of all months: within some of them, after others, before the rest.
CLOCK_AT = datetime(2026, 9, 17, 12, tzinfo=UTC)
LARGEST_BATCH = 40
HAPPENS = 0.3
DAY_FIELDS = (
    "status",
    "worked_minutes",
    "late",
    "late_minutes",
    "early",
    "early_minutes",
    "overtime_minutes",
    "break_minutes",
    "missing",
)


@dataclass
class Month:
    """One person's month: facts by key, each key's in order, and the scenario that says the same."""

    person: str
    scenario: dict[str, Any]
    as_of: datetime
    first_on: date
    facts: dict[str, list[Event]] = field(default_factory=dict)

    def expected(self) -> tuple[list[tuple[Any, ...]], list[str]]:
        """Return the days until the clock, later days with a punch, and the punches that no day owns."""
        horizon = self.as_of.astimezone(ZoneInfo(self.scenario["site_zone"])).date().isoformat()
        clock = {"range": [self.first_on.isoformat(), horizon], "as_of": self.as_of.isoformat()}
        result = explain_scenario(read_scenario(msgspec.json.encode(self.scenario)))
        has_begun = self.first_on.isoformat() <= horizon
        content = msgspec.json.encode(self.scenario | (clock if has_begun else {}))
        begun = explain_scenario(read_scenario(content))["days"] if has_begun else []
        later = [day for day in result["days"] if day["attendance_on"] > horizon]
        days = [
            (
                *(day["attendance_on"], day["shift"] or "", day["first_in"], day["last_out"]),
                *(len(day["punches"]), *(day[name] for name in DAY_FIELDS)),
            )
            for day in [*begun, *later]
        ]
        return sorted(days), sorted(str(self.punch_id(name)) for name in result["unscheduled"])

    def punch_id(self, name: str) -> UUID:
        """Return the UUID of a punch of the scenario; `person` makes it differ from that of others."""
        return UUID(int=int.from_bytes(f"{self.person}:{name}".encode().rjust(16, b"\0")[-16:], "big"))


def stored_day(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a row of attendance_day as `Month.expected` has it."""
    return (
        row["attendance_on"].isoformat(),
        row["shift_id"],
        _text(row["first_in_at"]),
        _text(row["last_out_at"]),
        row["punch_count"],
        *(row[name] for name in DAY_FIELDS),
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def month_of(plant: Any, seed: int, name: str | None = None) -> Month:
    """Return a random month of a person with a site, shifts and a policy of their own.

    name: of which all ids are made, so that two months can have the same ones; None: the seed.
    """
    scenario = random_month(seed)
    first_on = date.fromisoformat(scenario.pop("range")[0]) - timedelta(days=15)
    del scenario["as_of"]
    suffix = f"-{seed if name is None else name}"
    for shift in scenario["shifts"]:
        shift["id"] += suffix
    for entry in scenario["roster"]:
        entry["shift"] += suffix
    for correction in scenario["corrections"]:
        if correction.get("shift"):
            correction["shift"] += suffix
    scenario["default_shift"] = scenario["default_shift"] and scenario["default_shift"] + suffix
    month = Month("person" + suffix, scenario, CLOCK_AT, first_on)
    _directory(month, plant, "site" + suffix, suffix)
    _devices(month, plant, "site" + suffix)
    zone = ZoneInfo(str(scenario["site_zone"]))
    old_ids: dict[str, str] = {}
    for number, punch in enumerate(scenario["punches"]):
        # Punches of the same instant are ordered by id: as UUIDs as in the scenario.
        old_ids[punch["id"]] = punch["id"] = f"p{number:03}"
        at = datetime.fromisoformat(punch["at"])
        punch["at"] = at.replace(tzinfo=zone).astimezone(UTC).isoformat()
        direction = None if punch["direction"] is None else Direction(punch["direction"].upper())
        month.facts[f"punch:{punch['id']}"] = _punch(month, plant, number, punch, direction)
    for correction in scenario["corrections"]:
        for kind in ("punch", "correction"):
            named = correction.get(kind)
            if named is not None:
                correction[kind] = old_ids.get(named, f"{named[0]}{named[1:]:0>3}")
        correction["id"] = f"{correction['id'][0]}{correction['id'][1:]:0>3}"
        month.facts[f"correction:{correction['id']}"] = [_correction(month, plant, correction)]
    return month


async def told(
    plant: Any,
    months: list[Month],
    chance: random.Random,
    between: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Tell all facts in batches by chance: each key's in order, some of the punches twice.

    between: what happens after a batch now and then.
    """
    left = [list(facts) for month in months for facts in month.facts.values()]
    punches: list[Event] = []
    while left:
        batch: list[Event] = []
        for _ in range(chance.randrange(1, LARGEST_BATCH)):
            if not left:
                break
            number = chance.randrange(len(left))
            batch.append(left[number].pop(0))
            if not left[number]:
                del left[number]
        punches += [event for event in batch if isinstance(event, MatchDecided | PunchSubmitted)]
        batch += chance.sample(punches, min(len(punches), 2))
        await plant.tell(*batch)
        if between is not None and chance.random() < HAPPENS:
            await between()


def _devices(month: Month, plant: Any, site: str) -> None:
    """The device of the site has reported until the instant of the scenario, and then has a gap."""
    reported = month.scenario["devices_reported_until"]
    month.facts["device:gate"] = [
        plant.device(f"gate of {site}", "elsewhere"),
        plant.device(f"gate of {site}", site),
    ]
    if reported is None:
        month.facts["report:2"] = [plant.report(f"gate of {site}", 2, CLOCK_AT.isoformat())]
        return
    until = datetime.fromisoformat(reported)
    for sequence in (1, 2, 3):
        at = (until - timedelta(days=3 - sequence)).isoformat()
        month.facts[f"report:{sequence}"] = [plant.report(f"gate of {site}", sequence, at)]
    month.facts["report:5"] = [plant.report(f"gate of {site}", 5, CLOCK_AT.isoformat())]


def _punch(month: Month, plant: Any, number: int, punch: Mapping[str, Any], direction: Any) -> list[Event]:
    """By face, by badge, by a badge that nobody had then; some faces were somebody else's at first."""
    punch_id, at, fields = month.punch_id(punch["id"]), punch["at"], {"direction": direction}
    match number % 5:
        case 0:
            return [plant.punch("A-1", at, punch_id, person=month.person, **fields)]
        case 1:
            return [plant.punch(f"badge of {month.person}", at, punch_id, **fields)]
        case 2:
            unsure = plant.match(month.person, at, punch_id, Outcome.REVIEW, **fields)
            reviews = [plant.review(punch_id, "asha"), plant.review(punch_id, month.person)]
            return [unsure, *reviews, plant.review(punch_id, None, authority=by("foreman", "elsewhere"))]
        case 3:
            wrong = plant.match("asha", at, punch_id, **fields)
            return [wrong, plant.match(month.person, at, punch_id, decision_round=1, **fields)]
    return [plant.match(month.person, at, punch_id, **fields)]


def _correction(month: Month, plant: Any, correction: Mapping[str, Any]) -> Any:
    made = {
        "authority": by(correction["by"]),
        "reason": correction["reason"],
        "correction_id": month.punch_id(correction["id"]),
        "recorded_at": datetime.fromisoformat(correction["recorded_at"]),
    }
    if correction["kind"] == "void":
        target = correction.get("punch") or correction["correction"]
        event = plant.void(month.person, month.punch_id(target), **made)
        if correction.get("punch"):
            return msgspec.structs.replace(
                event, punch_id=event.voided_correction_id, voided_correction_id=None
            )
        return event
    if correction["kind"] == "add":
        zone = ZoneInfo(str(month.scenario["site_zone"]))
        correction["at"] = datetime.fromisoformat(correction["at"]).replace(tzinfo=zone).isoformat()
        event = plant.addition(month.person, correction["at"], direction=Direction.IN, **made)
        return msgspec.structs.replace(event, punch_id=month.punch_id(correction["punch"]))
    return plant.override(
        month.person,
        date.fromisoformat(correction["on"]),
        DayStatus(correction["status"]),
        shift_id=correction["shift"],
        worked_minutes=correction["worked_minutes"],
        **made,
    )


def _directory(month: Month, plant: Any, site: str, suffix: str) -> None:
    scenario, facts = month.scenario, month.facts
    facts["site"] = [plant.site(zone="Asia/Tokyo", site_id=site), plant.site(scenario["site_zone"], site)]
    right = plant.person(
        month.person,
        scenario["default_shift"],
        site,
        badge=f"badge of {month.person}",
        **_person(scenario["person"]),
    )
    facts["person"] = [plant.person(month.person, None, "not-yet"), right]
    for shift in scenario["shifts"]:
        event = _shift(plant, shift)
        facts.setdefault(f"shift:{event.shift_id}:{event.effective_on}", []).append(event)
    for number, entry in enumerate(scenario["roster"]):
        facts[f"roster:{number}"] = [_roster(plant, month.person, entry, f"r{number}{suffix}")]
    for number, on in enumerate(scenario["holidays"]):
        holiday_id = f"h{number}{suffix}"
        facts[f"holiday:{number}"] = [plant.holiday(date.fromisoformat(on), site, holiday_id)]
    for number, leave in enumerate(scenario["leave"]):
        on, part = date.fromisoformat(leave["on"]), LeavePart(leave["part"].upper())
        leave_id = f"l{number}{suffix}"
        facts[f"leave:{number}"] = [
            plant.leave(month.person, on - timedelta(days=3), on, leave_id=leave_id),
            plant.leave(month.person, on, leave_id=leave_id, part=part),
        ]
    top = {name: scenario[name] for name in ("weekly_offs", "flexible", "day_start")}
    for number, policy in enumerate(
        [{"effective_on": month.first_on.isoformat(), **top}, *scenario["policies"]]
    ):
        facts[f"policy:{number}"] = [_policy(plant, policy, site, f"policy{suffix}")]


def _person(person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "joined_on": _date(person["joined_on"]),
        "left_on": _date(person["left_on"]),
        "active": person["active"],
    }


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _minutes(hours: float | None) -> int | None:
    return None if hours is None else int(hours * 60)


def _weekdays(names: Sequence[str]) -> tuple[Weekday, ...]:
    return tuple(Weekday(name.upper()) for name in names)


def _shift(plant: Any, shift: Mapping[str, Any]) -> Any:
    rounding = shift["rounding"] or {"minutes": 15}
    event = plant.shift(
        shift["id"],
        0,
        0,
        _date(shift.get("effective_on")) or ALWAYS,
        time_zone=shift["time_zone"],
        window_before_minutes=shift["window_before"],
        window_after_minutes=shift["window_after"],
        late_grace_minutes=shift["late_grace"],
        early_grace_minutes=shift["early_grace"],
        pairing=Pairing(shift["pairing"].upper()),
        counting=Counting(shift["counting"].upper()),
        half_day_below_minutes=_minutes(shift["half_day_below"]),
        absent_below_minutes=_minutes(shift["absent_below"]),
        debounce_seconds=shift["debounce"],
        break_minutes=shift["break_minutes"],
        break_after_minutes=_minutes(shift["break_after"]),
        rounding=None if shift["rounding"] is None else RoundingMode(rounding["mode"].upper()),
        rounding_minutes=rounding["minutes"],
        overtime_after_minutes=shift["overtime_after"],
        overtime_cap_minutes=shift["overtime_cap"],
        overtime_needs_approval=shift["needs_approval"],
        count_on_holiday=shift["count_on_holiday"],
    )
    start, end = time.fromisoformat(shift["start"]), time.fromisoformat(shift["end"])
    return msgspec.structs.replace(event, start=start, end=end)


def _roster(plant: Any, person: str, entry: Mapping[str, Any], roster_id: str) -> Any:
    rotation = entry.get("rotation")
    return plant.roster(
        person,
        entry["shift"],
        date.fromisoformat(entry["from"]),
        _date(entry["to"]),
        roster_id=roster_id,
        weekdays=_weekdays(entry.get("weekdays", ())),
        rotation_length=rotation and rotation["length"],
        rotation_days=tuple(rotation["days"]) if rotation else (),
    )


def _policy(plant: Any, policy: Mapping[str, Any], site: str, policy_id: str) -> Any:
    return plant.policy(
        date.fromisoformat(policy["effective_on"]),
        policy_id=policy_id,
        site_id=site,
        weekly_offs=_weekdays(policy["weekly_offs"]),
        flexible_day_start=time.fromisoformat(policy["day_start"]) if policy["flexible"] else None,
        expects_attendance=policy.get("expects_attendance", True),
    )
