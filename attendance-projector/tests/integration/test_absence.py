import asyncio
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from attendance_projector.projection.backlog.work_off import work_off
from attendance_schemas.events import DayStatus, Weekday
from attendance_testing.polling import DEADLINE

pytestmark = pytest.mark.integration

MONDAY = date(2026, 3, 2)


async def statuses(plant: Any, person: str = "asha") -> dict[int, str]:
    return {date.fromisoformat(day).day: status for day, _, status, _ in await plant.days(person)}


async def bases(plant: Any) -> list[str | None]:
    """Return what decides each day without a punch; of one that is settled nothing is kept but ABSENT."""
    days = await plant.whole_days()
    return [each["absence"] or ("SETTLED" if each["status"] == "ABSENT" else None) for each in days]


async def expect(plant: Any, since: date = MONDAY, **fields: Any) -> None:
    await plant.tell(plant.policy(since, expects_attendance=True, **fields))


async def test_without_a_policy_nobody_is_waited_for(plant: Any) -> None:
    await plant.tell(plant.tick("2026-03-04T12:00Z"))
    assert await statuses(plant) == {}


async def test_a_day_without_a_punch_is_pending_then_absent_after_24_hours(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.tick("2026-03-01T18:29Z"))  # Sunday in India for one minute more
    assert await statuses(plant) == {}
    for at, status, basis in (
        ("2026-03-01T18:30Z", "PENDING", "OPEN"),
        ("2026-03-02T07:30Z", "PENDING", "OPEN"),  # the last instant of the window
        ("2026-03-02T07:31Z", "PENDING", "WAITING"),
        ("2026-03-02T18:29Z", "PENDING", "WAITING"),
    ):
        await plant.tell(plant.tick(at))
        assert (await statuses(plant), await bases(plant)) == ({2: status}, [basis])
    await plant.tell(plant.tick("2026-03-03T07:29Z"))
    assert await statuses(plant) == {2: "PENDING", 3: "PENDING"}
    await plant.tell(plant.tick("2026-03-03T07:30Z"))
    assert (await statuses(plant), await bases(plant)) == ({2: "ABSENT", 3: "PENDING"}, ["SETTLED", "OPEN"])


async def test_absent_once_every_device_has_reported_past_the_window(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.device("gate"), plant.device("back"), plant.device("old", revoked=True))
    await plant.tell(
        plant.report("gate", 1, "2026-03-02T02:00Z"), plant.report("gate", 2, "2026-03-02T08:00Z")
    )
    await plant.tell(plant.tick("2026-03-02T09:00Z"))
    assert await bases(plant) == ["WAITING"]  # the other device has never reported
    await plant.tell(
        plant.report("back", 1, "2026-03-02T02:00Z"), plant.report("back", 3, "2026-03-02T08:30Z")
    )
    await plant.tell(plant.tick("2026-03-02T09:01Z"))
    assert await bases(plant) == ["WAITING"]  # number 2 is still on its way
    await plant.tell(plant.report("back", 2, "2026-03-02T03:00Z"), plant.tick("2026-03-02T09:02Z"))
    assert (await statuses(plant), await bases(plant)) == ({2: "ABSENT"}, ["REPORTED"])
    # A device that joins the site and has not reported yet makes it wait again, until 24 hours are over.
    await plant.tell(plant.device("new"), plant.tick("2026-03-02T09:03Z"))
    assert await statuses(plant) == {2: "PENDING"}
    await plant.tell(plant.device("new", revoked=True), plant.tick("2026-03-02T09:04Z"))
    assert await statuses(plant) == {2: "ABSENT"}


async def test_a_late_punch_takes_the_absence_back(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.tick("2026-03-09T00:00Z"))
    assert await statuses(plant) == dict.fromkeys(range(2, 9), "ABSENT") | {8: "PENDING", 9: "PENDING"}
    await plant.tell(
        plant.match("asha", "2026-03-04T08:00+05:30"), plant.match("asha", "2026-03-04T12:00+05:30")
    )
    assert (await statuses(plant))[4] == "PRESENT"


async def test_time_that_is_ahead_of_the_log_has_not_come(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.tick("2026-03-03T00:00Z"))
    before = await plant.whole_days()
    (right, wrong) = (plant.record(plant.tick(at)) for at in ("2026-03-03T00:05Z", "2027-04-07T00:00Z"))
    for log_time in (right.timestamp, wrong.timestamp - timedelta(minutes=5, seconds=1)):
        await plant.projector.apply([replace(wrong, timestamp=log_time)])
        assert await plant.sql.fetchval("SELECT as_of FROM clock") == datetime(2026, 3, 3, tzinfo=UTC)
    assert await plant.whole_days() == before
    assert await plant.refusals() == []
    # A clock that is a little ahead is as it should be.
    (ahead,) = [plant.record(plant.tick("2026-03-03T00:05Z"))]
    await plant.projector.apply([replace(ahead, timestamp=ahead.timestamp - timedelta(minutes=5))])
    assert await plant.sql.fetchval("SELECT as_of FROM clock") == ahead.timestamp


@pytest.mark.parametrize("is_one_batch", [False, True])
async def test_a_reset_of_the_clock_leaves_nothing_of_the_time_that_had_not_come(
    plant: Any, is_one_batch: bool
) -> None:
    await expect(plant)
    punches = [plant.match("asha", f"2026-03-0{day}T08:00+05:30") for day in (2, 3)]
    await plant.tell(plant.device("gate"), *punches, plant.tick("2026-03-04T12:00Z"))
    right = await as_stored(plant)
    wrong = plant.tick("2027-04-07T00:00Z")
    reset = plant.tick("2026-03-04T12:00Z", reset_by="ops", reason="a broker's clock was wrong")
    if is_one_batch:
        await plant.tell(wrong, reset)
    else:
        await plant.tell(wrong)
        assert (await statuses(plant))[30] == "ABSENT"
        await plant.tell(reset)
    await drained(plant)
    assert await as_stored(plant) == right
    await plant.tell(plant.tick("2026-03-05T12:00Z"))
    assert (await statuses(plant))[5] == "PENDING"


async def as_stored(plant: Any) -> Any:
    return await plant.tables("attendance_day", "punch", without=("xmin",)), await plant.whole_days()


async def drained(plant: Any) -> None:
    while not (await plant.read_model.in_transaction(work_off)).is_idle:
        pass


def joined(numbers: set[int]) -> list[tuple[int, int]]:
    firsts = sorted(each for each in numbers if each - 1 not in numbers)
    return list(zip(firsts, sorted(each for each in numbers if each + 1 not in numbers), strict=True))


async def test_numbers_of_devices_join_to_ranges_in_any_order(plant: Any) -> None:
    chance = random.Random(11)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    heard: dict[str, set[int]] = {"back": set(), "gate": set()}
    for turn in range(12):
        for _ in range(25):
            device, number = chance.choice(sorted(heard)), chance.randint(1, 120)
            heard[device].add(number)
            await plant.tell(plant.report(device, number, (start + timedelta(minutes=number)).isoformat()))
        await plant.tell(plant.tick((start + timedelta(hours=turn)).isoformat()))
        rows = await plant.sql.fetch(
            "SELECT device_id, first_sequence, last_sequence, newest_at FROM device_report ORDER BY 1, 2"
        )
        assert [tuple(row) for row in rows] == [
            (device, first, last, start + timedelta(minutes=last))
            for device, numbers in sorted(heard.items())
            for first, last in joined(numbers)
        ]


async def test_a_tick_does_not_touch_old_gaps(plant: Any) -> None:
    for number in (1, 3, 5, 7, 9):
        await plant.tell(plant.report("gate", number, f"2026-03-02T02:0{number}Z"))
    await plant.tell(plant.tick("2026-03-02T03:00Z"))
    written = "SELECT first_sequence, xmin::text FROM device_report ORDER BY first_sequence"
    before = dict(await plant.sql.fetch(written))
    await plant.tell(
        plant.report("gate", 8, "2026-03-02T02:08Z"), plant.report("gate", 10, "2026-03-02T02:10Z")
    )
    await plant.tell(plant.tick("2026-03-02T03:01Z"))
    after = dict(await plant.sql.fetch(written))
    assert sorted(after) == [1, 3, 5, 7]
    assert {number: after[number] == before[number] for number in after} == {
        1: True,
        3: True,
        5: True,
        7: False,
    }


async def test_only_those_who_are_expected_have_days(plant: Any) -> None:
    await expect(plant, weekly_offs=(Weekday.SUN,))
    await plant.tell(
        plant.person("binod", joined_on=date(2026, 3, 4), left_on=date(2026, 3, 5)),
        plant.person("chandra", active=False),
        plant.person("deepa", shift=None),
        plant.holiday(date(2026, 3, 3)),
        plant.leave("asha", date(2026, 3, 5)),
        plant.tick("2026-03-08T12:00Z"),
    )
    assert await statuses(plant, "binod") == {4: "ABSENT", 5: "ABSENT"}
    assert (await statuses(plant, "chandra"), await statuses(plant, "deepa")) == ({}, {})
    assert await statuses(plant) == {
        **{2: "ABSENT", 3: "HOLIDAY", 4: "ABSENT", 5: "LEAVE", 6: "ABSENT"},
        **{7: "ABSENT", 8: "WEEKLY_OFF"},
    }
    await plant.tell(plant.person("chandra"), plant.person("binod", left_on=date(2026, 3, 2)))
    assert (await statuses(plant, "chandra"))[2] == "ABSENT"
    assert await statuses(plant, "binod") == {2: "ABSENT"}


async def test_facts_about_dates_that_have_begun_count_at_once(plant: Any) -> None:
    await plant.tell(plant.tick("2026-03-04T00:00Z"))
    await expect(plant)
    assert await statuses(plant) == {2: "ABSENT", 3: "PENDING", 4: "PENDING"}
    await plant.tell(
        plant.roster("asha", "day", date(2026, 3, 3)), plant.override("asha", MONDAY, DayStatus.LEAVE)
    )
    assert await statuses(plant) == {2: "LEAVE", 3: "PENDING", 4: "PENDING"}
    await plant.tell(plant.tombstone(plant.policy(MONDAY)))
    assert await statuses(plant) == {2: "LEAVE"}


async def test_a_tick_that_is_older_changes_nothing(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.tick("2026-03-04T00:00Z"))
    before = await plant.tables("attendance_day", "clock")
    await plant.tell(plant.tick("2026-03-03T00:00Z"), plant.tick("2026-03-04T00:00Z"))
    assert await plant.tables("attendance_day", "clock") == before


async def test_a_tick_rewrites_only_what_it_decides(plant: Any) -> None:
    await expect(plant)
    await plant.tell(plant.tick("2026-03-05T00:00Z"))
    before = {
        row["attendance_on"].day: row["xmin"]
        for row in (await plant.tables("attendance_day"))["attendance_day"]
    }
    await plant.tell(plant.tick("2026-03-05T07:30Z"))
    after = {
        row["attendance_on"].day: row["xmin"]
        for row in (await plant.tables("attendance_day"))["attendance_day"]
    }
    assert {day for day in after if after[day] != before[day]} == {4}


async def test_months_are_made_for_days_without_punches(plant: Any) -> None:
    await expect(plant, date(2026, 1, 31))
    await plant.tell(plant.tick("2026-06-01T12:00Z"))
    rows = await plant.sql.fetch(
        "SELECT DISTINCT date_trunc('month', attendance_on) AS month FROM attendance_day"
    )
    assert sorted(row["month"].month for row in rows) == [1, 2, 3, 4, 5, 6]


async def test_a_week_from_an_offline_kiosk_in_reverse_equals_the_week_live(plant: Any) -> None:
    await expect(plant, weekly_offs=(Weekday.SUN,))
    await plant.tell(plant.device("gate"), plant.person("binod"))
    week = [
        plant.match(person, f"2026-03-0{day}T{hour}+05:30")
        for day in range(2, 9)
        for person, hour in (("asha", "08:00"), ("binod", "08:05"), ("asha", "12:00"), ("binod", "12:10"))
        if (day, person) != (4, "binod")
    ]
    ticks = [plant.tick(f"2026-03-0{day}T{hour}:00Z") for day in range(2, 10) for hour in ("03", "15")]
    live = sorted([*week, *ticks], key=lambda event: event.occurred_at)
    for event in live:
        await plant.tell(event)
    tables = ("attendance_day", "day_explanation", "open_day", "unsettled_day", "punch", "capture")
    without = ("xmin", "projected_at")
    before = await plant.tables(*tables, without=without)
    assert (await statuses(plant, "binod"))[4] == "ABSENT"
    assert (await statuses(plant))[4] == "PRESENT"
    # Once more into empty tables: time passes first, then the kiosk comes back and sends backward.
    emptied = ", ".join([*tables, "clock", "device_point", "device_report", "site_watermark"])
    await plant.sql.execute(f"TRUNCATE {emptied}")
    for tick in ticks[:-1]:
        await plant.tell(tick)
    assert (await statuses(plant))[4] == "ABSENT"
    for event in reversed(week):
        await plant.tell(event)
    await plant.tell(ticks[-1])
    assert await plant.tables(*tables, without=without) == before


async def test_a_reader_of_the_points_keeps_no_tick_waiting(plant: Any) -> None:
    """Such as a dump, which holds every table until its end."""
    await plant.tell(plant.device("gate"), plant.report("gate", 1, f"{MONDAY}T09:00:00Z"))
    async with plant.sql.transaction(), asyncio.timeout(DEADLINE):
        assert await plant.sql.fetchval("SELECT count(*) FROM device_point") == 1
        await plant.tell(plant.tick(f"{MONDAY}T10:00:00Z"))
    assert await plant.sql.fetchval("SELECT count(*) FROM device_point") == 0
