"""The morning that is played: who passes which kiosk when.

The plant lies in a zone where it is about noon now, so that the morning is over when the demo starts.
Arrivals come from the kiosks' memory, departures are taken live, and one kiosk that was offline sends
yesterday's captures.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from attendance_demo.scene.cast import Cast, Member

NOON = 12.0
ZONES = (
    "Pacific/Pago_Pago", "Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles",
    "America/Denver", "America/Chicago", "America/New_York", "America/Halifax", "America/Sao_Paulo",
    "Atlantic/South_Georgia", "Atlantic/Azores", "Africa/Abidjan", "Europe/London", "Europe/Berlin",
    "Europe/Helsinki", "Europe/Istanbul", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka",
    "Asia/Bangkok", "Asia/Singapore", "Asia/Tokyo", "Australia/Brisbane", "Pacific/Guadalcanal",
    "Pacific/Fiji", "Pacific/Tongatapu", "Pacific/Kiritimati",
)  # fmt: skip
DAY_START, DAY_END = time(8), time(12)
NIGHT_START, NIGHT_END = time(22), time(6)
OFFLINE_PEOPLE = 5
# Clocks are believed to some milliseconds; no stay ends so near to a whole minute that they decide it.
SPARE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Planned:
    """One capture to be played. `captured_at` None means live; `person_id` None means nobody enrolled."""

    what: str
    kiosk: str
    image: bytes
    direction: str | None
    person_id: str | None = None
    captured_at: datetime | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Morning:
    """What is sent in order: first `earlier`, from memory; then `live`, with `offline` beside it."""

    zone: str
    today: date
    earlier: tuple[Planned, ...]
    live: tuple[Planned, ...]
    offline: tuple[Planned, ...]


def zone_at_noon(now: datetime) -> str:
    """Return the zone in which it is nearest to noon."""

    def distance(zone: str) -> float:
        local = now.astimezone(ZoneInfo(zone))
        return abs(local.hour + local.minute / 60 - NOON)

    return min(ZONES, key=distance)


def plan_morning(cast: Cast, now: datetime) -> Morning:
    """Return the morning of this cast. now: aware instant."""
    name = zone_at_noon(now)
    zone = ZoneInfo(name)
    today = now.astimezone(zone).date()
    yesterday = today - timedelta(days=1)

    def at(day: date, clock: time, seconds: float) -> datetime:
        return (datetime.combine(day, clock, zone) + timedelta(seconds=seconds)).astimezone(UTC)

    day_people = [member for member in cast.members if not member.night]
    earlier: list[Planned] = []
    for number, member in enumerate(member for member in cast.members if member.night):
        came, went = -300 + number, 300 + SPARE_SECONDS + number
        earlier += [
            _capture("night in", "gate-1", member, 0, "IN", at(yesterday, NIGHT_START, came)),
            _capture("night out", "gate-1", member, 1, "OUT", at(today, NIGHT_END, went)),
        ]
    for number, member in enumerate(day_people):
        kiosk = f"gate-{1 + number % 2}"
        arrival = _capture("arrival", kiosk, member, 0, "IN", at(today, DAY_START, -600 + 7 * number))
        earlier.append(replace(arrival, times=3) if number == 0 else arrival)
    offline: list[Planned] = []
    for number, member in enumerate(day_people[:OFFLINE_PEOPLE]):
        came, went = 60 + 11 * number, 120 + SPARE_SECONDS + 13 * number
        offline += [
            _capture("late in", "yard", member, 2, "IN", at(yesterday, DAY_START, came)),
            _capture("late out", "yard", member, 3, "OUT", at(yesterday, DAY_END, went)),
        ]
    return Morning(name, today, tuple(earlier), tuple(_live(cast, day_people)), tuple(offline))


def _live(cast: Cast, day_people: list[Member]) -> list[Planned]:
    """Return what is captured as it happens: departures, and what nobody should be identified by."""
    return [
        *(
            _capture("departure", f"gate-{1 + number % 2}", member, 1, "OUT", None)
            for number, member in enumerate(day_people)
        ),
        *(Planned("stranger", "gate-1", image, "IN") for image in cast.strangers),
        Planned("blurred", "gate-2", cast.blurred, "IN"),
        Planned("no face", "gate-1", cast.faceless, "IN"),
        Planned("damaged photo", "gate-2", cast.corrupt, "IN"),
        Planned("not a photo", "gate-1", b"\x00this is not a photo", "IN"),
    ]


def _capture(
    what: str, kiosk: str, member: Member, photo: int, direction: str, captured_at: datetime | None
) -> Planned:
    image = member.captures[photo % len(member.captures)]
    return Planned(what, kiosk, image, direction, member.person_id, captured_at)
