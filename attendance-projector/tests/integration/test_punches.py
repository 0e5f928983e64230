from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from attendance_schemas.events import FormerBadge, PunchMethod

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"
PRESENT = [(DAY, "day", "PRESENT", 240)]


async def pending(plant: Any) -> list[tuple[str, str | None]]:
    rows = await plant.sql.fetch("SELECT badge, person_id FROM pending_fact ORDER BY occurred_at")
    return [(row["badge"], row["person_id"]) for row in rows]


@pytest.mark.parametrize("method", list(PunchMethod))
async def test_every_way_without_a_face_makes_the_same_day(plant: Any, method: PunchMethod) -> None:
    await plant.tell(*(plant.punch("A-1", at, person="asha", method=method) for at in (IN, OUT)))
    assert await plant.days("asha") == PRESENT
    (row, _) = (await plant.tables("punch"))["punch"]
    assert (row["method"], row["capture_id"], row["device_id"]) == (method.lower(), None, "reader")


async def test_a_face_in_the_morning_and_a_badge_in_the_evening_pair(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.punch("A-1", OUT, person="asha"))
    assert await plant.days("asha") == PRESENT


async def test_a_person_id_that_nobody_has_yet_waits(plant: Any) -> None:
    await plant.tell(*(plant.punch("chandra", at, method=PunchMethod.PIN) for at in (IN, OUT)))
    assert await plant.places("chandra") == [("WAITING", None)] * 2
    await plant.tell(plant.person("chandra"))
    assert await plant.days("chandra") == PRESENT


async def test_an_unknown_badge_waits_for_its_holder(plant: Any) -> None:
    first, second = (plant.punch("B-7", at) for at in (IN, OUT))
    await plant.tell(first)
    await plant.tell(second, first)
    assert await pending(plant) == [("B-7", None)] * 2
    await plant.tell(plant.person("binod", badge="B-7"))
    assert await pending(plant) == [("B-7", "binod")] * 2
    assert await plant.days("binod") == PRESENT


async def test_badge_holder_and_punch_in_one_batch(plant: Any) -> None:
    await plant.tell(plant.punch("B-7", IN), plant.person("binod", badge="B-7"), plant.punch("B-7", OUT))
    assert await plant.days("binod") == PRESENT


async def test_a_badge_that_was_unknown_goes_to_whoever_has_it_now(plant: Any) -> None:
    """The tables say what a rebuild from the compacted directory would say."""
    await plant.tell(plant.person("binod", badge="B-7"), plant.punch("B-7", IN), plant.punch("B-7", OUT))
    kept = plant.punch("B-7", f"{DAY}T11:00+05:30", person="binod")
    await plant.tell(kept)
    await plant.tell(plant.person("binod"), plant.person("chandra", badge="B-7"))
    assert await plant.days("chandra") == PRESENT
    assert await plant.days("binod") == [(DAY, "day", "INCOMPLETE", 0)]
    await plant.tell(plant.tombstone(plant.person("chandra")))
    assert (await pending(plant), await plant.places("chandra")) == ([("B-7", None)] * 2, [])
    stranger = msgspec.structs.replace(plant.person("eve", badge="B-7"), org_id="globex")
    await plant.tell(stranger)
    assert await pending(plant) == [("B-7", None)] * 2


async def test_late_punches_are_of_whoever_had_the_badge_then(plant: Any) -> None:
    """A badge goes from asha to binod at noon, and back on the day after; punches arrive in any order."""
    noon, night = (
        datetime.fromisoformat(f"{DAY}T{time}+05:30").astimezone(UTC) for time in ("12:30", "23:00")
    )
    shown = [plant.punch("B-7", at) for at in (OUT, "2026-03-03T08:00+05:30", IN, f"{DAY}T14:00+05:30")]
    await plant.tell(*shown[:2])
    had_by_asha = (FormerBadge(badge="B-7", held_until=noon),)
    had_by_binod = (FormerBadge(badge="B-7", held_until=night),)
    await plant.tell(plant.person("binod", badge="B-7"), plant.person("asha", former_badges=had_by_asha))
    await plant.tell(plant.person("binod", former_badges=had_by_binod))
    assert await pending(plant) == [("B-7", "asha"), ("B-7", None)]
    await plant.tell(plant.person("asha", badge="B-7", former_badges=had_by_asha), *shown[2:])
    assert await pending(plant) == [("B-7", name) for name in ("asha", "asha", "binod", "asha")]
    assert (await plant.days("asha"))[:1] == PRESENT
    assert len(await plant.places("binod")) == 1


async def test_of_two_people_with_one_badge_the_first_by_id_has_it(plant: Any) -> None:
    await plant.tell(plant.person("binod", badge="B-7"), plant.punch("B-7", IN))
    await plant.tell(plant.person("asha", badge="B-7"))
    assert (len(await plant.places("asha")), await plant.places("binod")) == (1, [])


async def test_a_punch_sent_twice_counts_once(plant: Any) -> None:
    punch = plant.punch("A-1", IN, person="asha")
    await plant.tell(punch, punch)
    before = await plant.tables("punch", "attendance_day", "pending_fact")
    await plant.tell(punch)
    assert await plant.tables("punch", "attendance_day", "pending_fact") == before
    assert await plant.places("asha") == [("DAY", DAY)]


@pytest.mark.parametrize("badge_holder", ["asha", None])
async def test_a_second_occurred_at_is_refused(plant: Any, badge_holder: str | None) -> None:
    punch_id = uuid4()
    await plant.tell(plant.punch("A-1", IN, punch_id, person=badge_holder))
    before = await plant.tables("punch", "pending_fact", "attendance_day")
    await plant.tell(plant.punch("A-1", OUT, punch_id, person=badge_holder))
    assert await plant.tables(*before) == before
    assert await plant.refusals() == [("PunchSubmitted", str(punch_id), "second-occurred-at")]


async def test_an_id_is_a_capture_or_a_punch(plant: Any) -> None:
    capture, punch = UUID(int=1), UUID(int=2)
    await plant.tell(
        plant.match(None, IN, capture, outcome="UNKNOWN"), plant.punch("A-1", IN, punch, person="asha")
    )
    await plant.tell(plant.punch("A-1", IN, capture, person="asha"), plant.match("asha", IN, punch))
    assert await plant.refusals() == [
        ("MatchDecided", str(punch), "id-in-use"),
        ("PunchSubmitted", str(capture), "id-in-use"),
    ]
