"""What became of what was accepted, where no row of a fact says it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from attendance_projector.projection.stored import DeadLetter, NoFact
from attendance_schemas.events import Outcome

pytestmark = pytest.mark.integration

AT = "2026-03-02T08:00+05:30"
NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
FATES = ("awaited_fact", "dead_letter", "erasure", "erased_person")


async def awaited(plant: Any) -> list[tuple[str, str]]:
    rows = await plant.sql.fetch("SELECT kind, fact_id::text FROM awaited_fact ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def dead(plant: Any) -> list[tuple[str, str, str]]:
    rows = await plant.sql.fetch("SELECT kind, fact_id::text, reason FROM dead_letter ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def test_a_capture_is_awaited_until_it_is_decided(plant: Any) -> None:
    match = plant.match("asha", AT)
    await plant.tell(plant.received(match))
    assert await awaited(plant) == [("CaptureReceived", str(match.capture_id))]
    (row,) = await plant.sql.fetch("SELECT * FROM awaited_fact")
    assert (row["device_id"], row["site_id"], row["accepted_at"]) == ("kiosk", "site", match.occurred_at)
    await plant.tell(match)
    assert await awaited(plant) == []


async def test_what_is_decided_already_is_not_awaited(plant: Any) -> None:
    match, enrolment = plant.match("asha", AT), plant.enrolment("asha")
    await plant.tell(match, enrolment)
    await plant.tell(plant.received(match), plant.requested(enrolment))
    assert await awaited(plant) == []


async def test_an_enrolment_is_awaited_until_it_is_decided(plant: Any) -> None:
    enrolment = plant.enrolment("asha")
    await plant.tell(plant.requested(enrolment))
    assert await awaited(plant) == [("EnrolmentRequested", str(enrolment.enrolment_id))]
    await plant.tell(enrolment)
    assert await awaited(plant) == []


async def test_a_refused_decision_is_awaited_no_more(plant: Any) -> None:
    match = plant.match("asha", "1970-01-01T00:00Z")
    await plant.tell(plant.received(match))
    await plant.tell(match)
    await plant.tell(plant.received(match))
    assert await awaited(plant) == []
    assert [each[2] for each in await plant.refusals()] == ["impossible-instant"]


async def test_a_dead_letter_is_told_and_awaited_no_more(plant: Any) -> None:
    received = plant.received(plant.match("asha", AT))
    await plant.tell(received)
    letter = DeadLetter(received, "undecodable-image", NOW)
    await plant.tell(letter)
    await plant.tell(received)
    assert await awaited(plant) == []
    assert await dead(plant) == [("CaptureReceived", str(received.capture_id), "undecodable-image")]
    await plant.tell(replace_letter(letter, "image-missing", 1), letter)
    assert [each[2] for each in await dead(plant)] == ["image-missing"]


def replace_letter(letter: DeadLetter, reason: str, seconds: int) -> DeadLetter:
    return DeadLetter(letter.event, reason, letter.dead_at + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["nul \x00", "long " * 10_000])
async def test_no_dead_letter_is_poison_once_more(plant: Any, text: str) -> None:
    received = replace(plant.received(plant.match("asha", AT)), org_id=text, device_id=text)
    await plant.tell(DeadLetter(received, text, NOW), NoFact())
    assert len(await dead(plant)) == 1


async def test_dead_letters_are_forgotten_as_their_topics_forget_them(plant: Any) -> None:
    old, new = (plant.received(plant.match("asha", AT)) for _ in range(2))
    await plant.tell(DeadLetter(old, "image-missing", NOW - timedelta(days=61)))
    await plant.tell(DeadLetter(new, "image-missing", NOW))
    await plant.tell(plant.tick(NOW.isoformat()))
    assert [each[1] for each in await dead(plant)] == [str(new.capture_id)]


async def test_an_erasure_is_asked_for_and_then_done(plant: Any) -> None:
    first, second = plant.erasure("asha"), plant.erasure("asha", NOW)
    await plant.tell(first, plant.erased(first, None))
    assert await plant.sql.fetchval("SELECT count(*) FROM erased_person") == 0
    await plant.tell(second, plant.erased(second, NOW + timedelta(seconds=1)))
    await plant.tell(plant.erased(first, NOW))
    (row,) = await plant.sql.fetch("SELECT * FROM erased_person")
    assert (row["erased_until"], row["completed_at"]) == (NOW, NOW + timedelta(seconds=1))
    assert await plant.sql.fetchval("SELECT count(*) FROM erasure") == 2


@pytest.mark.parametrize("seed", range(8))
async def test_fates_are_the_same_in_whatever_order_their_topics_are_read(plant: Any, seed: int) -> None:
    chance = random.Random(seed)
    matches = [plant.match(None, AT, outcome=Outcome.NO_FACE) for _ in range(6)]
    received = [plant.received(each) for each in matches]
    erasures = [plant.erasure("asha", NOW + timedelta(seconds=each)) for each in range(3)]
    told = [
        *received,
        *matches[:3],
        DeadLetter(received[3], "image-missing", NOW),
        DeadLetter(received[3], "image-altered", NOW),
        *erasures,
        *(plant.erased(each, each.occurred_at) for each in erasures),
    ]
    chance.shuffle(told)
    while told:
        count = chance.randrange(1, 5)
        await plant.tell(*told[:count])
        del told[:count]
    assert [each[1] for each in await awaited(plant)] == sorted(str(each.capture_id) for each in received[4:])
    assert [each[2] for each in await dead(plant)] == ["image-missing"]
    (person,) = await plant.sql.fetch("SELECT * FROM erased_person")
    assert person["erased_until"] == erasures[-1].occurred_at
