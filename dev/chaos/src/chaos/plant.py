"""The plant that is harmed: people with badges, two of them with faces too, one day shift, three devices."""

import asyncio
import csv
import io
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from attendance_demo.scene.cast import Cast
from attendance_demo.scene.plant import Plant

ZONE = "Asia/Kolkata"
BADGE_PEOPLE = 40
# As long as a device's monotonic clock is believed: ingest takes older ones at the word of their clock.
DAYS_BACK = 28
# Inside the window of the shift, far enough apart that no check-in is a repeat of another.
FIRST_MINUTE, LAST_MINUTE, STEP_MINUTES = 8 * 60, 16 * 60, 8
SHIFT = {"name": "day", "effective_on": "2026-01-01", "start": "08:00", "end": "16:00"}
RECORDED_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Slot:
    """When somebody checks in."""

    person_id: str
    on: date
    at: datetime


@dataclass(slots=True)
class Calendar:
    """Deals out every instant of a person once, in random order; all days are over."""

    rng: random.Random
    today: date
    dealt: set[tuple[str, date, int]] = field(default_factory=set)

    def slot(self, person_id: str) -> Slot:
        """Deal an instant of this person."""
        while True:
            on = self.today - timedelta(days=self.rng.randint(2, DAYS_BACK))
            minute = self.rng.randrange(FIRST_MINUTE, LAST_MINUTE, STEP_MINUTES)
            if (person_id, on, minute) not in self.dealt:
                break
        self.dealt.add((person_id, on, minute))
        local = datetime(on.year, on.month, on.day, minute // 60, minute % 60, tzinfo=ZoneInfo(ZONE))
        return Slot(person_id, on, local.astimezone(UTC))


def badge_of(person_id: str) -> str:
    """Return the badge of a person."""
    return f"B-{person_id}"


async def record_plant(plant: Plant, cast: Cast) -> list[str]:
    """Record everything and enrol the faces; return the ids of all people."""
    ops, hr = plant.headers("ops"), plant.headers("hr")
    site, shift = plant.own("plant"), plant.own("day")
    await _put(plant, ops, f"organisations/{plant.org_id}", {"name": "Acme Works", "time_zone": ZONE})
    await _put(plant, ops, f"sites/{site}", {"name": "Plant", "time_zone": ZONE})
    for device in ("gate-1", "gate-2", "camera"):
        document = {"site_id": site, "name": device, "kind": "kiosk"}
        await _put(plant, ops, f"devices/{plant.own(device)}", document)
    await _put(plant, hr, f"shifts/{shift}", SHIFT)
    people = [plant.own(f"b{number}") for number in range(BADGE_PEOPLE)]
    people += [member.person_id for member in cast.members]
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["person_id", "home_site_id", "display_name", "badge", "joined_on", "default_shift_id"])
    for person_id in people:
        writer.writerow([person_id, site, f"Person {person_id}", badge_of(person_id), "2026-01-01", shift])
    response = await plant.client.post(
        f"{plant.ingest_url}/v1/directory/persons/import",
        headers={**hr, "Content-Type": "text/csv"},
        content=rows.getvalue().encode(),
    )
    response.raise_for_status()
    outcomes = await plant.enrol(cast.members)
    if set(outcomes.values()) != {"ENROLLED"}:
        raise RuntimeError(f"not everybody could be enrolled: {outcomes}")
    await _known(plant, people[0])
    return people


async def _put(plant: Plant, headers: Mapping[str, str], path: str, document: Mapping[str, object]) -> None:
    url = f"{plant.ingest_url}/v1/directory/{path}"
    (await plant.client.put(url, headers=dict(headers), json=dict(document))).raise_for_status()


async def _known(plant: Plant, person_id: str) -> None:
    """Wait until the query API knows a person: the read model follows."""
    until = time.monotonic() + RECORDED_WITHIN_SECONDS
    url = f"{plant.query_url}/v1/people?q={person_id}"
    while True:
        response = await plant.client.get(url, headers=plant.headers("analyst"))
        if response.status_code == httpx.codes.OK and response.json()["items"]:
            return
        if time.monotonic() > until:
            raise RuntimeError(f"{person_id} is not in the read model after {RECORDED_WITHIN_SECONDS:.0f} s")
        await asyncio.sleep(0.1)
