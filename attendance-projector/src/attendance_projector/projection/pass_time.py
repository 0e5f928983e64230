"""What the passing of time does to days without a punch.

Time comes as a fact. A tick makes the days of dates that have begun since the last one, and decides those
that were waiting for their window to close, for the devices of the site, or for 24 hours to pass. Between
ticks nothing is decided by time, so the tables are a function of the facts up to the newest tick.

A tick that was wrong would be for ever: a clock only moves forward. One that is ahead of the log's own time
is refused (`apply_records`); where the log's time was wrong, too, somebody resets the clock, and that is a
fact.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from attendance_projector.domain.absence import LONGEST_WAIT
from attendance_projector.domain.facts import LONGEST_WINDOW
from attendance_projector.projection.days.stale_dates import Change, DatesChanged, HorizonMoved
from attendance_projector.projection.directory.rule_inputs import read_zone
from attendance_projector.projection.ports import Absence
from attendance_projector.projection.stored import DevicePoint, PersonKey
from attendance_schemas.events import ClockTicked, Event, MatchDecided, PunchSubmitted

ONE_DAY = timedelta(days=1)
# The largest number that ingest accepts. Others come from no device, and not all of them can be counted on.
LAST_SEQUENCE = 2**53 - 1


def device_points(events: Iterable[Event | object]) -> list[DevicePoint]:
    """Return the sequence numbers that devices have reported with these events."""
    points = []
    for event in events:
        if isinstance(event, MatchDecided | PunchSubmitted):
            device_id, sequence = event.device_id, event.device_sequence
            if device_id is not None and sequence is not None and 1 <= sequence <= LAST_SEQUENCE:
                points.append(DevicePoint(event.org_id, device_id, sequence, event.occurred_at))
    return points


async def pass_time(ticks: Sequence[ClockTicked], absence: Absence) -> dict[PersonKey, list[Change]]:
    """Move the clock to the newest tick and return what that changes, by person.

    The transaction holds the lock on everyone. A tick that is older than the clock changes nothing, unless it
    resets it.
    """
    before = now = await absence.as_of()
    for tick in ticks:
        if now is None or tick.occurred_at > now or tick.reset_by is not None:
            now = tick.occurred_at
    if now is None or now == before:
        return {}
    await absence.move_clock(now)
    if before is not None and now < before:
        return await _turned_back(absence, before, now)
    changes: dict[PersonKey, list[Change]] = {}
    for day in await absence.undecided_days(now):
        changes.setdefault(day.person, []).append(HorizonMoved(day.first_on, day.last_on))
    begun = {
        zone: moved for zone in await absence.zones() if (moved := _begun(zone, before, now)) is not None
    }
    for person, zone in await absence.people_of_zones(begun):
        changes.setdefault(person, []).append(begun[zone])
    return changes


async def _turned_back(absence: Absence, before: datetime, now: datetime) -> dict[PersonKey, list[Change]]:
    """Return the dates that have not begun after all, or that time had decided too early, by person."""
    changes: dict[PersonKey, list[Change]] = {}
    for person, zone_name in await absence.people_of_zones(await absence.zones()):
        zone = read_zone(zone_name)
        first_on = (now - LONGEST_WINDOW - LONGEST_WAIT).astimezone(zone).date() - ONE_DAY
        changes[person] = [DatesChanged(first_on, before.astimezone(zone).date())]
    return changes


def _begun(zone_name: str, before: datetime | None, now: datetime) -> HorizonMoved | None:
    """Return the dates that have begun in a zone; all until now at the first tick."""
    zone = read_zone(zone_name)
    last_on = now.astimezone(zone).date()
    if before is None:
        return HorizonMoved(None, last_on)
    first_on = before.astimezone(zone).date() + ONE_DAY
    return HorizonMoved(first_on, last_on) if first_on <= last_on else None
