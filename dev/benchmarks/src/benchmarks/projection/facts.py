"""Facts of a plant for the projector's benchmark: people, shifts, and months of punches in time order.

10,000 people come and go on ten sites in two zones: three quarters work by day, the others by night, each
with 2 to 4 punches a day. Ids of captures are UUIDv7 of their instant, as kiosks make them. One seed, one
history.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from attendance_schemas.events import (
    Direction,
    Event,
    ImageReference,
    MatchDecided,
    OrganisationRecorded,
    Outcome,
    PersonRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
    TimeTrust,
    Weekday,
)

ORG = "plant"
FIRST_ON = date(2025, 1, 6)
SITES = tuple(
    (f"site-{number}", "Asia/Kolkata" if number % 2 else "Europe/Berlin") for number in range(1, 11)
)
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
# A zone is not needed to make a history: one half works in UTC+5:30, the other in UTC+1.
# Half of the people leave for lunch, and some forget to punch when they come back.
LEAVING_FOR_LUNCH, PUNCHING_IN_AGAIN = 0.5, 0.9
OFFSETS = (timedelta(hours=5, minutes=30), timedelta(hours=1))


def uuid7(at: datetime, chance: random.Random) -> UUID:
    """Return a UUIDv7 of an instant."""
    milliseconds = int(at.timestamp() * 1000)
    bits = chance.getrandbits(74)
    return UUID(int=milliseconds << 80 | 7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | (bits & ((1 << 62) - 1)))


def _common(at: datetime, number: int) -> dict[str, object]:
    return {"event_id": UUID(int=number), "occurred_at": at, "recorded_at": at, "org_id": ORG}


def directory(people: int) -> Iterator[Event]:
    """Yield the directory: everybody is recorded before the first punch."""
    at = datetime.combine(FIRST_ON, time(), UTC) - timedelta(days=30)
    common = _common(at, 1)
    yield OrganisationRecorded(**common, name="Plant", time_zone="UTC")  # type: ignore[arg-type]
    for site_id, zone in SITES:
        yield SiteRecorded(**common, site_id=site_id, name=site_id, time_zone=zone)  # type: ignore[arg-type]
    hours = {"day": (time(8), time(17)), "night": (time(22), time(6))}
    for shift_id, (start, end) in hours.items():
        yield ShiftRecorded(
            **common,  # type: ignore[arg-type]
            shift_id=shift_id,
            effective_on=date(2024, 1, 1),
            name=shift_id,
            start=start,
            end=end,
            late_grace_minutes=10,
            half_day_below_minutes=240,
        )
    for number in range(people):
        yield PersonRecorded(
            **common,  # type: ignore[arg-type]
            person_id=person_id(number),
            home_site_id=SITES[number % len(SITES)][0],
            display_name=f"Person {number}",
            default_shift_id="night" if number % 4 == 0 else "day",
        )
        if number % 10 == 0:
            yield RosterRecorded(
                **common,  # type: ignore[arg-type]
                roster_id=f"roster-{number}",
                person_id=person_id(number),
                shift_id="day",
                starts_on=FIRST_ON,
                weekdays=(Weekday.MON, Weekday.TUE),
            )


def person_id(number: int) -> str:
    """Return the id of a person by number."""
    return f"p-{number:05}"


def matches(people: int, count: int | None, seed: int = 7) -> Iterator[MatchDecided]:
    """Yield decisions, one for each punch, by day and within it by instant; for ever without a count."""
    chance = random.Random(seed)
    made, on = 0, FIRST_ON
    of_device: Counter[str] = Counter()
    while True:
        day = [punch for number in range(people) for punch in _punches(number, on, chance)]
        day.sort(key=lambda punch: punch[0])
        for at, number, direction in day:
            if made == count:
                return
            made += 1
            device_id = f"kiosk-{number % len(SITES)}-{number % 3}"
            of_device[device_id] += 1
            yield _match(at, number, direction, (device_id, of_device[device_id]), chance)
        on += timedelta(days=1)


def _punches(
    number: int, on: date, chance: random.Random
) -> Iterator[tuple[datetime, int, Direction | None]]:
    starts, lasts = (22, 8) if number % 4 == 0 else (8, 9)
    begin = datetime.combine(on, time(starts), UTC) - OFFSETS[number % 2]
    begin += timedelta(seconds=chance.randint(-1200, 900))
    end = begin + timedelta(hours=lasts, seconds=chance.randint(-600, 1800))
    yield begin, number, Direction.IN
    if chance.random() < LEAVING_FOR_LUNCH:
        middle = begin + timedelta(hours=4, seconds=chance.randint(0, 1800))
        yield middle, number, Direction.OUT
        if chance.random() < PUNCHING_IN_AGAIN:
            yield middle + timedelta(minutes=chance.randint(15, 45)), number, Direction.IN
    yield end, number, Direction.OUT


def _match(
    at: datetime,
    number: int,
    direction: Direction | None,
    sent: tuple[str, int],
    chance: random.Random,
) -> MatchDecided:
    device_id, sequence = sent
    return MatchDecided(
        event_id=UUID(int=chance.getrandbits(128), version=4),
        occurred_at=at,
        recorded_at=at + timedelta(milliseconds=900),
        org_id=ORG,
        capture_id=uuid7(at, chance),
        device_id=device_id,
        site_id=SITES[number % len(SITES)][0],
        device_sequence=sequence,
        time_trust=TimeTrust.SYNCED,
        image=ImageReference(
            bucket="attendance-images",
            key=f"{ORG}/{at:%Y/%m/%d}/{device_id}/{sequence}.jpg",
            sha256=SHA256,
            media_type="image/jpeg",
            size_bytes=81_920,
            width=1280,
            height=720,
        ),
        received_at=at + timedelta(milliseconds=300),
        outcome=Outcome.IDENTIFIED,
        model_name="sface",
        model_version="2021dec",
        gallery_size=10_000,
        direction=direction,
        person_id=person_id(number),
        score=0.71,
        runner_up_person_id=person_id((number * 7 + 1) % 10_000),
        runner_up_score=0.31,
        threshold=0.52,
        margin=0.05,
    )
