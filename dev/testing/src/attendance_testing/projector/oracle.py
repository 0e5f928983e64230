"""The rules a second time: slow, plain, and written from the page of rules instead of from the code.

It reads a scenario as the file has it and knows nothing of the package under test. Time is whole seconds
since 1970; every punch is compared with every shift of every date; local times are found by trying offsets.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DEFAULTS = {
    "window_before": 60,
    "window_after": 60,
    "late_grace": None,
    "early_grace": None,
    "pairing": "alternating",
    "counting": "first_last",
    "half_day_below": None,
    "absent_below": None,
    "debounce": 60,
    "break_minutes": 0,
    "break_after": 6,
    "rounding": None,
    "overtime_after": None,
    "overtime_cap": None,
    "count_on_holiday": False,
    "effective_on": "0001-01-01",
    "time_zone": None,
}


@lru_cache(maxsize=200_000)
def seconds_of(zone_name, local, which):
    """Try every offset that the zone has around a local time; `which` of two answers: first or last."""
    zone = ZoneInfo(zone_name)
    naive = datetime.fromisoformat(local)
    around = [naive.replace(tzinfo=UTC) + timedelta(hours=hours) for hours in range(-30, 31, 6)]
    offsets = [at.astimezone(zone).utcoffset() for at in around]
    found = []
    for offset in offsets:
        instant = naive.replace(tzinfo=UTC) - offset
        if instant.astimezone(zone).replace(tzinfo=None) == naive:
            found.append(int((instant - EPOCH).total_seconds()))
    if not found:
        # The time does not exist: read with the offset from before the gap it lands after it.
        return int((naive.replace(tzinfo=UTC) - offsets[0] - EPOCH).total_seconds())
    return min(found) if which == "first" else max(found)


def instant(scenario, text):
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        return seconds_of(scenario["site_zone"], text, "first")
    return int((at - EPOCH).total_seconds())


def shift_on(scenario, shift_id, on):
    versions = [DEFAULTS | shift for shift in scenario["shifts"] if shift["id"] == shift_id]
    versions = [shift for shift in versions if shift["effective_on"] <= on.isoformat()]
    return max(versions, key=lambda shift: shift["effective_on"]) if versions else None


def shift_ids_on(scenario, on):
    ids = set()
    for entry in scenario.get("roster", []):
        first = date.fromisoformat(entry["from"])
        if on < first or (entry.get("to") and on > date.fromisoformat(entry["to"])):
            continue
        rotation = entry.get("rotation")
        if rotation:
            if (on - first).days % rotation["length"] + 1 in rotation["days"]:
                ids.add(entry["shift"])
        elif WEEK[on.weekday()] in entry.get("weekdays", WEEK):
            ids.add(entry["shift"])
    if not ids and scenario.get("default_shift"):
        ids.add(scenario["default_shift"])
    return ids


def instances_on(scenario, on):
    for shift_id in shift_ids_on(scenario, on):
        shift = shift_on(scenario, shift_id, on)
        if shift is not None:
            zone = shift["time_zone"] or scenario["site_zone"]
            start = seconds_of(zone, f"{on}T{shift['start']}", "first")
            ends_on = on + DAY if shift["end"] <= shift["start"] else on
            end = max(start, seconds_of(zone, f"{ends_on}T{shift['end']}", "last"))
            yield {"on": on, "id": shift_id, "start": start, "end": end, "shift": shift}


def in_order(instance):
    return instance["start"], instance["end"], instance["on"], instance["id"]


def owner(punch, instances):
    at = punch["second"]
    mine = [
        each
        for each in instances
        if each["start"] - each["shift"]["window_before"] * 60
        <= at
        <= each["end"] + each["shift"]["window_after"] * 60
    ]
    if not mine:
        return None
    if punch.get("direction") and len(mine) > 1:
        return mine[0] if punch["direction"] == "out" else mine[-1]
    chosen = mine[0]
    for later in mine[1:]:
        if later["start"] > chosen["end"]:
            twice_the_cut = chosen["end"] + later["start"]
        else:
            twice_the_cut = later["start"] + min(chosen["end"], later["end"])
        if 2 * at > twice_the_cut:
            chosen = later
    return chosen


def policy_on(scenario, on):
    in_effect = [each for each in scenario.get("policies", []) if each["effective_on"] <= on.isoformat()]
    return max(in_effect, key=lambda each: each["effective_on"]) if in_effect else scenario


def flexible_instance(scenario, at):
    on = (EPOCH + timedelta(seconds=at)).astimezone(ZoneInfo(scenario["site_zone"])).date()
    today, eve = policy_on(scenario, on), policy_on(scenario, on - DAY)

    def has_begun(policy):
        return at >= seconds_of(scenario["site_zone"], f"{on}T{policy.get('day_start', '05:00')}", "first")

    if today.get("flexible") and has_begun(today):
        begins = today.get("day_start", "05:00")
    elif eve.get("flexible") and (today.get("flexible") or not has_begun(eve)):
        on -= DAY
        begins = eve.get("day_start", "05:00")
    else:
        return None
    start, end = (seconds_of(scenario["site_zone"], f"{each}T{begins}", "first") for each in (on, on + DAY))
    return {"on": on, "id": None, "start": start, "end": end, "shift": DEFAULTS | {"counting": "every_pair"}}


def without_repeats(shift, punches):
    kept = []
    for punch in punches:
        directions = {punch.get("direction"), kept[-1].get("direction")} if kept else set()
        turned = shift["pairing"] == "directed" and directions == {"in", "out"}
        is_near = bool(kept) and punch["second"] - kept[-1]["second"] <= shift["debounce"]
        if not (is_near and shift["debounce"] > 0 and not turned):
            kept.append(punch)
    return kept


def counted_time(shift, punches):
    """Return used ids, first in, last out, seconds, pairs, missing and whether anything is closed."""
    kept = without_repeats(shift, punches)
    if shift["pairing"] == "alternating":
        ins, outs = kept[0::2], kept[1::2]
        pairs = list(zip(ins, outs, strict=False))
        missing = "out" if len(kept) % 2 else None
        used = kept
        whole = (kept[0], kept[-1]) if len(kept) > 1 else None
        # The last out of an odd number: of the span it is the last punch, of pairs the last one that closed.
        last = kept[-1] if len(kept) > 1 and shift["counting"] == "first_last" else (outs or [None])[-1]
    else:
        ins, outs, pairs, used = [], [], [], []
        inside, lost_out, lost_in = None, False, False
        for punch in kept:
            goes_in = punch.get("direction") == "in" or (not punch.get("direction") and inside is None)
            if goes_in and inside is None:
                inside = punch
                ins.append(punch)
                used.append(punch)
            elif goes_in:
                lost_out = True
            else:
                outs.append(punch)
                if inside is not None:
                    pairs.append((inside, punch))
                    inside = None
                    used.append(punch)
                else:
                    lost_in = True
                    if ins:
                        used.append(punch)
        missing = "out" if lost_out or inside is not None else "in" if lost_in else None
        whole = (ins[0], outs[-1]) if pairs else None
        last = outs[-1] if outs and (pairs or not ins) else None
    first = ins[0] if ins else None
    if shift["counting"] == "every_pair":
        seconds = sum(end["second"] - start["second"] for start, end in pairs)
        is_closed = bool(pairs)
    else:
        seconds = whole[1]["second"] - whole[0]["second"] if whole else 0
        is_closed = whole is not None
    return used, first, last, seconds, pairs, missing, is_closed


def in_steps(minutes, rounding):
    if not rounding:
        return minutes
    step = rounding["minutes"]
    below = minutes - minutes % step
    if below == minutes or rounding["mode"] == "down":
        return below
    if rounding["mode"] == "up":
        return below + step
    return below if minutes - below < below + step - minutes else below + step


def break_of(shift, seconds):
    beyond = seconds - shift["break_after"] * 3600
    return min(shift["break_minutes"] * 60, beyond) if beyond > 0 else 0


def off_status(scenario, on, works):
    if {"on": on.isoformat(), "part": "full"} in scenario.get("leave", []):
        return "LEAVE"
    if works:
        return None
    if on.isoformat() in scenario.get("holidays", []):
        return "HOLIDAY"
    return "WEEKLY_OFF" if WEEK[on.weekday()] in policy_on(scenario, on).get("weekly_offs", []) else None


def is_employed(scenario, on):
    person = scenario.get("person", {})
    if not person.get("active", True):
        return False
    joined, left = person.get("joined_on"), person.get("left_on")
    return (not joined or joined <= on.isoformat()) and (not left or on.isoformat() <= left)


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
