"""What a scenario must come to: its days, with corrections, leave and overrides."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from attendance_testing.projector.oracle.counting import break_of, counted_time, in_steps
from attendance_testing.projector.oracle.schedule import (
    DAY,
    EPOCH,
    flexible_instance,
    in_order,
    instances_on,
    instant,
    is_employed,
    off_status,
    owner,
    policy_on,
    seconds_of,
)


def empty(instance, status):
    return {
        "attendance_on": instance["on"].isoformat(),
        "shift": instance["id"],
        "status": status,
        "worked_minutes": 0,
        "first_in": None,
        "last_out": None,
        "late": False,
        "late_minutes": 0,
        "early": False,
        "early_minutes": 0,
        "overtime_minutes": 0,
        "break_minutes": 0,
        "missing": None,
        "punches": [],
    }


def shown(second):
    return None if second is None else (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(scenario, instance, punches):
    shift, on = instance["shift"], instance["on"]
    if not punches:
        return empty(instance, off_status(scenario, on, works=False) or no_punch(scenario, instance))
    used, first, last, seconds, pairs, missing, is_closed = counted_time(shift, punches)
    day = empty(instance, off_status(scenario, on, shift["count_on_holiday"]))
    day["punches"] = [punch["id"] for punch in used]
    day["first_in"] = shown(first["second"]) if first else None
    day["last_out"] = shown(last["second"]) if last else None
    if day["status"]:
        return day
    has_punched_break = shift["counting"] == "every_pair" and len(pairs) > 1
    pause = 0 if has_punched_break else break_of(shift, seconds)
    worked = seconds - pause
    half = {"on": on.isoformat(), "part": "half"} in scenario.get("leave", [])
    share = 2 if half else 1
    absent, half_day = shift["absent_below"], shift["half_day_below"]
    if absent is not None and is_employed(scenario, on) and worked * share < absent * 3600:
        day["status"] = "ABSENT"
    elif half_day is not None and worked * share < half_day * 3600:
        day["status"] = "HALF_DAY"
    elif not is_closed:
        day["status"] = "INCOMPLETE"
    else:
        day["status"] = "HALF_DAY" if half else "PRESENT"
    day["missing"] = missing
    day["break_minutes"] = int(pause // 60)
    day["worked_minutes"] = in_steps(int(worked // 60), shift["rounding"])
    if shift["overtime_after"] is not None:
        length = instance["end"] - instance["start"]
        beyond = worked - (length - break_of(shift, length)) - shift["overtime_after"] * 60
        extra = in_steps(int(max(0, beyond) // 60), shift["rounding"])
        day["overtime_minutes"] = (
            extra if shift["overtime_cap"] is None else min(extra, shift["overtime_cap"])
        )
    grace = shift["late_grace"]
    if first and grace is not None and not half and first["second"] > instance["start"] + grace * 60:
        day["late"], day["late_minutes"] = True, (first["second"] - instance["start"]) // 60
    grace = shift["early_grace"]
    if last and grace is not None and not half and last["second"] < instance["end"] - grace * 60:
        day["early"], day["early_minutes"] = True, (instance["end"] - last["second"]) // 60
    return day


def no_punch(scenario, instance):
    closes = instance["end"] + instance["shift"]["window_after"] * 60
    as_of = instant(scenario, scenario.get("as_of"))
    reported = instant(scenario, scenario.get("devices_reported_until"))
    if as_of is None or as_of <= closes:
        return "PENDING"
    if (reported is not None and reported > closes) or as_of >= closes + 24 * 3600:
        return "ABSENT"
    return "PENDING"


def corrected(scenario):
    """Return punches less what was voided plus what was added, and overrides, oldest first."""
    made = scenario.get("corrections", [])
    undone = set()
    # Voids of voids reach as deep as there are corrections: repeat until nothing changes.
    for _ in range(len(made) + 1):
        undone = {
            each["correction"]
            for each in made
            if each["kind"] == "void" and each.get("correction") and each.get("id") not in undone
        }
    holding = [each for each in made if each.get("id") is None or each["id"] not in undone]
    gone = {each.get("punch") for each in holding if each["kind"] == "void"}
    added = [
        {"id": each["punch"], "at": each["at"], "direction": each.get("direction")}
        for each in holding
        if each["kind"] == "add"
    ]
    punches = {punch["id"]: punch for punch in [*scenario["punches"], *added] if punch["id"] not in gone}
    overrides = [each for each in holding if each["kind"] == "override"]
    overrides.sort(key=lambda each: (instant(scenario, each["recorded_at"]), each["id"]))
    return [punch | {"second": instant(scenario, punch["at"])} for punch in punches.values()], overrides


def oracle(scenario):
    """Return what `explain --json` must print for a scenario with a range, less the explanations."""
    first_on, last_on = (date.fromisoformat(text) for text in scenario["range"])
    dates = [first_on + DAY * number for number in range(-12, (last_on - first_on).days + 13)]
    instances = sorted((each for on in dates for each in instances_on(scenario, on)), key=in_order)
    punches, overrides = corrected(scenario)
    punches.sort(key=lambda punch: (punch["second"], punch["id"]))
    owned, unscheduled = {}, []
    for punch in punches:
        mine = owner(punch, instances)
        if mine is None:
            mine = flexible_instance(scenario, punch["second"])
        if mine is None:
            zone = ZoneInfo(scenario["site_zone"])
            on = (EPOCH + timedelta(seconds=punch["second"])).astimezone(zone).date()
            unscheduled += [punch["id"]] if first_on <= on <= last_on else []
        else:
            owned.setdefault(in_order(mine | {"id": mine["id"] or ""}), (mine, []))[1].append(punch)
    for each in instances:
        is_overridden = any(
            override["on"] == each["on"].isoformat() and override.get("shift") in {None, each["id"]}
            for override in overrides
        )
        is_expected = policy_on(scenario, each["on"]).get("expects_attendance", True)
        if (is_employed(scenario, each["on"]) and is_expected) or is_overridden:
            owned.setdefault(in_order(each), (each, []))
    days = []
    for order, (mine, of_day) in owned.items():
        if first_on <= mine["on"] <= last_on:
            days.append([order, day_of(scenario, mine, of_day)])
    for override in overrides:
        replace_days(scenario, override, days, first_on, last_on)
    days.sort(key=lambda each: each[0])
    return {"days": [day for _, day in days], "unscheduled": unscheduled, "review": unscheduled}


def replace_days(scenario, override, days, first_on, last_on):
    on = date.fromisoformat(override["on"])
    if not first_on <= on <= last_on:
        return
    shift_id = override.get("shift")
    hit = [
        each
        for each in days
        if each[1]["attendance_on"] == override["on"] and shift_id in {None, each[1]["shift"]}
    ]
    if not hit:
        midnight = seconds_of(scenario["site_zone"], f"{on}T00:00", "first")
        hit = [[(midnight, midnight, on, shift_id or ""), {"shift": shift_id}]]
        days.extend(hit)
    for each in hit:
        each[1] = empty({"on": on, "id": each[1]["shift"]}, override["status"]) | {
            "worked_minutes": override.get("worked_minutes", 0),
            "overtime_minutes": override.get("overtime_minutes", 0),
        }
