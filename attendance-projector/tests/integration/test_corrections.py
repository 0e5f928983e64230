from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from attendance_schemas.events import DayStatus, Outcome

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
LEAVE = DayStatus.LEAVE
MONDAY = date(2026, 3, 2)
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"
PRESENT = [(DAY, "day", "PRESENT", 240)]
INCOMPLETE = [(DAY, "day", "INCOMPLETE", 0)]


async def test_an_added_punch_closes_the_day_and_says_who_and_why(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.addition("asha", OUT, reason="went by the back gate"))
    assert await plant.days("asha") == PRESENT
    (day,) = await plant.whole_days()
    assert "added by hr-1 at 2026-01-01T00:00:01+00:00: went by the back gate" in day["explanation"]
    (row,) = await plant.sql.fetch("SELECT * FROM punch WHERE method = 'correction'")
    assert (row["placement"], row["device_id"], row["site_id"]) == ("DAY", None, None)
    (correction,) = (await plant.tables("correction"))["correction"]
    assert (correction["made_by"], correction["reason"]) == ("hr-1", "went by the back gate")


async def test_adding_then_voiding_a_correction_restores_the_day(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN))
    (before,) = await plant.whole_days()
    for correction in (
        plant.addition("asha", OUT),
        plant.override("asha", MONDAY, LEAVE),
        plant.void("asha", UUID(int=7)),  # a correction that never comes
    ):
        await plant.tell(correction)
        await plant.tell(plant.void("asha", correction.correction_id))
        (after,) = await plant.whole_days()
        assert after == before
    assert await plant.places("asha") == [("DAY", DAY), ("VOIDED", DAY)]


async def test_a_voided_punch_counts_again_when_the_void_is_voided(plant: Any) -> None:
    first, last = plant.match("asha", IN), plant.match("asha", OUT)
    void = plant.void("asha", last)
    await plant.tell(first, last, void)
    assert (await plant.days("asha"), await plant.places("asha")) == (
        INCOMPLETE,
        [("DAY", DAY), ("VOIDED", DAY)],
    )
    (day,) = await plant.whole_days()
    assert "voided by hr-1" in day["explanation"]
    again = plant.void("asha", void.correction_id)
    await plant.tell(again)
    assert (await plant.days("asha"), await plant.places("asha")) == (PRESENT, [("DAY", DAY)] * 2)
    await plant.tell(plant.void("asha", again.correction_id))
    assert await plant.days("asha") == INCOMPLETE


async def test_a_void_comes_before_its_punch(plant: Any) -> None:
    first, last = plant.match("asha", IN), plant.match("asha", OUT)
    await plant.tell(plant.void("asha", last))
    await plant.tell(first)
    await plant.tell(last)
    assert (await plant.days("asha"), await plant.places("asha")) == (
        INCOMPLETE,
        [("DAY", DAY), ("VOIDED", DAY)],
    )


async def test_a_void_of_the_only_punch_leaves_no_day(plant: Any) -> None:
    punch = plant.match("asha", IN)
    await plant.tell(punch)
    await plant.tell(plant.void("asha", punch))
    assert (await plant.days("asha"), await plant.places("asha")) == ([], [("VOIDED", DAY)])


async def test_a_void_is_of_the_punches_of_its_person_only(plant: Any) -> None:
    punch = plant.match("asha", IN)
    await plant.tell(plant.person("binod"), punch, plant.void("binod", punch))
    assert await plant.places("asha") == [("DAY", DAY)]


async def test_an_override_replaces_the_day_and_the_newest_stands(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    first_in = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)
    older = plant.override("asha", MONDAY, LEAVE)
    newer = plant.override(
        "asha", MONDAY, DayStatus.PRESENT, worked_minutes=480, overtime_minutes=30, first_in_at=first_in
    )
    await plant.tell(newer)
    await plant.tell(older)
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 480)]
    (day,) = await plant.whole_days()
    assert (day["overtime_minutes"], day["first_in_at"], day["punch_count"]) == (30, first_in, 0)
    assert await plant.places("asha") == [("DAY", DAY)] * 2
    # The override stands whatever else is learned about the day.
    await plant.tell(plant.holiday(MONDAY), plant.match("asha", f"{DAY}T10:00+05:30"))
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 480)]


async def test_an_override_makes_a_day_without_a_punch(plant: Any) -> None:
    sunday = date(2026, 3, 1)
    await plant.tell(plant.override("asha", sunday, DayStatus.PRESENT, worked_minutes=60, shift_id="extra"))
    assert await plant.days("asha") == [("2026-03-01", "extra", "PRESENT", 60)]
    await plant.tell(plant.override("chandra", sunday, LEAVE))
    assert await plant.days("chandra") == []
    await plant.tell(plant.person("chandra", shift=None))
    assert await plant.days("chandra") == [("2026-03-01", "", "LEAVE", 0)]
    await plant.tell(plant.person("chandra", site="elsewhere"))
    assert await plant.days("chandra") == []


async def test_the_same_correction_again_changes_nothing(plant: Any) -> None:
    corrections = [
        plant.addition("asha", OUT),
        plant.override("asha", MONDAY, LEAVE),
        plant.void("asha", uuid4()),
        plant.review(uuid4(), "asha"),
    ]
    await plant.tell(*corrections, *corrections)
    before = await plant.tables("correction", "review", "punch", "attendance_day")
    await plant.tell(*corrections)
    assert await plant.tables("correction", "review", "punch", "attendance_day") == before


async def test_another_content_under_the_same_id_is_refused(plant: Any) -> None:
    leave = plant.override("asha", MONDAY, LEAVE)
    await plant.tell(leave)
    for other in ({"status": DayStatus.PRESENT}, {"person_id": "binod"}):
        await plant.tell(msgspec.structs.replace(leave, **other))
    assert await plant.refusals() == [("DayOverridden", str(leave.correction_id), "second-content")]
    assert await plant.days("asha") == [(DAY, "day", "LEAVE", 0)]


async def test_voids_never_go_round_in_a_circle(plant: Any) -> None:
    first, second = uuid4(), uuid4()
    await plant.tell(plant.void("asha", second, correction_id=first))
    await plant.tell(plant.void("asha", first, correction_id=second))
    itself = uuid4()
    await plant.tell(plant.void("asha", itself, correction_id=itself))
    refused = sorted(("PunchVoided", str(each), "circle-of-voids") for each in (second, itself))
    assert await plant.refusals() == refused
    await plant.tell(plant.match("asha", IN))
    assert await plant.days("asha") == INCOMPLETE


@pytest.mark.parametrize("comes_first", ["capture", "review"])
async def test_a_review_says_whom_a_capture_shows(plant: Any, comes_first: str) -> None:
    capture_id = uuid4()
    capture = plant.match("asha", IN, capture_id, outcome=Outcome.REVIEW)
    review = plant.review(capture_id, "binod")
    await plant.tell(plant.person("binod"))
    for event in (capture, review) if comes_first == "capture" else (review, capture):
        await plant.tell(event)
    assert (await plant.places("asha"), await plant.places("binod")) == ([], [("DAY", DAY)])
    # Recognition decides again and changes nothing; another review does.
    await plant.tell(plant.match("asha", IN, capture_id, decision_round=5))
    assert (await plant.places("asha"), await plant.places("binod")) == ([], [("DAY", DAY)])
    await plant.tell(plant.review(capture_id, "asha"))
    assert (await plant.places("asha"), await plant.places("binod")) == ([("DAY", DAY)], [])
    await plant.tell(plant.review(capture_id, None))
    assert (await plant.days("asha"), await plant.days("binod")) == ([], [])


async def test_a_review_by_another_organisation_counts_nothing(plant: Any) -> None:
    capture_id = uuid4()
    await plant.tell(plant.match("asha", IN, capture_id))
    await plant.tell(plant.review(capture_id, None, org_id="globex"))
    assert await plant.days("asha") == INCOMPLETE


@pytest.mark.timeout(60)
async def test_circles_over_several_people_stop_nobody(plant: Any) -> None:
    """A void of somebody else's correction counts nothing, so it closes no circle, whatever it comes with."""
    of_asha, of_binod = uuid4(), uuid4()
    await plant.tell(plant.person("binod"), plant.match("asha", IN))
    await plant.tell(plant.void("asha", of_binod, correction_id=of_asha))
    await plant.tell(plant.void("binod", of_asha, correction_id=of_binod))
    await plant.tell(plant.void("asha", of_asha), plant.void("binod", of_binod))
    # One that the void of somebody else leads back to, in a batch with both people.
    back = uuid4()
    leading = plant.void("binod", back)
    await plant.tell(leading)
    await plant.tell(
        plant.void("asha", leading.correction_id, correction_id=back), plant.override("binod", MONDAY, LEAVE)
    )
    assert await plant.refusals() == []
    assert await plant.days("asha") == INCOMPLETE
    assert await plant.days("binod") == [(DAY, "day", "LEAVE", 0)]


async def test_hundreds_of_voids_of_voids_stop_nobody(plant: Any) -> None:
    leave = plant.override("asha", MONDAY, LEAVE)
    corrections = [leave]
    for _ in range(1200):
        corrections.append(plant.void("asha", corrections[-1].correction_id))
    await plant.tell(plant.match("asha", IN))
    await plant.tell(*corrections)
    assert await plant.days("asha") == [(DAY, "day", "LEAVE", 0)]
    await plant.tell(plant.void("asha", corrections[-1].correction_id))
    assert await plant.days("asha") == INCOMPLETE
    assert await plant.refusals() == []
