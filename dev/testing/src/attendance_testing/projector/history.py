"""What happened before a rebuild: some of every kind of fact, also refused, repeated, dead, erased."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from attendance_schemas.events import DayStatus, Direction, Outcome
from attendance_schemas.topics import (
    CAPTURES,
    CORRECTIONS,
    DIRECTORY,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    PERSON_KEYS,
    PUNCHES,
)
from attendance_testing.projector.plant_events import RECORDED_AT, by
from service_kit.dead_letters.letters import Origin

if TYPE_CHECKING:
    from attendance_testing.projector.rebuilds import Deployment

PEOPLE, DAYS = 20, 15
FIRST_ON = date(2026, 3, 20)


async def tell_history(deployment: "Deployment") -> None:
    """Tell of people who work, are corrected and erased, in the order in which it would come."""
    plant, chance = deployment.plant, random.Random(5)
    await asyncio.gather(
        *(
            deployment.publish(event, DIRECTORY)
            for event in (
                plant.site(),
                plant.shift("day", 8, 17),
                plant.shift("night", 22, 6),
                *(
                    plant.person(f"p-{number}", "night" if number % 4 == 0 else "day")
                    for number in range(PEOPLE)
                ),
                plant.policy(FIRST_ON, expects_attendance=True),
                plant.policy(date(2026, 4, 10)),
                plant.holiday(date(2026, 3, 26)),
                plant.leave("p-5", date(2026, 4, 6), date(2026, 4, 8)),
                *(
                    plant.roster(f"p-{number}", "night", date(2026, 3, 25), date(2026, 4, 1))
                    for number in range(0, PEOPLE, 7)
                ),
            )
        )
    )
    events = []
    for day in range(DAYS):
        for number in range(PEOPLE + 1):  # the last one is never recorded
            for hour in (2, 11):
                at = datetime.combine(FIRST_ON + timedelta(days=day), datetime.min.time(), UTC)
                at += timedelta(hours=hour, seconds=chance.randrange(7200))
                events.append(
                    plant.match(f"p-{number}", at.isoformat(), direction=chance.choice([None, *Direction]))
                )
    for event in chance.sample(events, 40):  # reviewed later: another person, or nobody
        person = chance.choice([None, "p-1", "p-2"])
        events.append(
            plant.match(
                person,
                event.occurred_at.isoformat(),
                event.capture_id,
                Outcome.IDENTIFIED if person else Outcome.UNKNOWN,
                decision_round=1,
            )
        )
    for first in range(0, len(events), 200):
        await asyncio.gather(*map(deployment.publish, events[first : first + 200]))
    verdict = plant.enrolment("p-1")
    for decision_round, model in ((0, "first"), (0, "repeated"), (2, "shown"), (1, "late")):
        again = msgspec.structs.replace(verdict, decision_round=decision_round, model_name=model)
        await deployment.publish(again, ENROLMENT_RESULTS)
    await _punches_and_corrections(deployment, events)
    await _fates(deployment, events)


async def _punches_and_corrections(deployment: "Deployment", captures: list[Any]) -> None:
    """Tell of a badge that two people have one after the other, and correct some of what there is."""
    plant = deployment.plant
    shown = [
        plant.punch("b-1", f"2026-04-0{day}T{hour:02}:10:00+00:00") for day in (6, 7) for hour in (2, 11)
    ]
    for punch in shown:
        await deployment.publish(punch, PUNCHES)
    for holder, badge in (("p-2", "b-1"), ("p-2", None), ("p-3", "b-1")):
        await deployment.publish(plant.person(holder, "day", badge=badge), DIRECTORY)
    added = plant.addition("p-6", "2026-04-07T11:45:00+00:00", site_id="site")
    of_p_1 = next(each for each in captures if each.person_id == "p-1")
    corrections = (
        added,
        plant.addition("p-6", "2026-04-08T02:30:00+00:00", site_id="site"),
        plant.void("p-6", added),
        plant.void("p-1", of_p_1),
        plant.override("p-9", date(2026, 4, 20), DayStatus.PRESENT, shift_id="day", worked_minutes=480),
        plant.review(captures[3].capture_id, "p-10"),
        plant.review(captures[5].capture_id, None),
        # Refused: beyond the authority, and another content of an id.
        plant.review(captures[7].capture_id, None, authority=by("foreman", "elsewhere")),
        plant.void("p-1", of_p_1, authority=by("foreman", "elsewhere")),
        msgspec.structs.replace(added, reason="another"),
    )
    for correction in corrections:
        await deployment.publish(correction, CORRECTIONS)


async def _fates(deployment: "Deployment", captures: list[Any]) -> None:
    """Tell what was accepted: decided, waiting, set aside; and of somebody who is erased."""
    plant = deployment.plant
    waiting, dead = (plant.received(plant.match(None, "2026-04-01T08:00:00+00:00")) for _ in range(2))
    for received in (*map(plant.received, captures[:20]), waiting, dead):
        await deployment.publish(received, CAPTURES)
    origin = Origin("image-missing", "e", 1, CAPTURES.name, 0, 0, "recognition-worker", "1", RECORDED_AT)
    await deployment.bury(dead, CAPTURES, origin)
    erasure = plant.erasure("p-4")
    await deployment.publish(erasure, ENROLMENTS)
    await deployment.publish(plant.erased(erasure, RECORDED_AT), PERSON_KEYS)
