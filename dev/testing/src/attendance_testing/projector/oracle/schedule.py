"""When somebody works: shifts, policies, days off, and in whose window a punch is."""

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
