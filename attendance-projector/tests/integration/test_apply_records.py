import asyncio
import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from attendance_projector.projection.adapters.postgres_days import MANY_DAYS
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.projection.days.recompute_days import PEOPLE_PER_ROUND
from attendance_projector.service import TOPICS
from attendance_schemas.events import (
    FARTHEST_AHEAD,
    DayStatus,
    EnrolmentDecided,
    EnrolmentOutcome,
    Outcome,
    PersonKeyIssued,
)
from attendance_schemas.golden import golden_examples
from attendance_testing.projector.plant import TABLES
from attendance_testing.projector.plant_events import RECORDED_AT
from service_kit.errors import PoisonRecord

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"
# Later than any fact of these tests was recorded.
TOO_FAR = date.fromisoformat(DAY) + FARTHEST_AHEAD + timedelta(days=1)
# No index takes it, and nothing makes it shorter.
LONG = "".join(random.Random(1).choices("0123456789abcdef", k=20_000))
TOO_FAR_AT = datetime.combine(TOO_FAR, time(), UTC)


async def test_a_batch_makes_captures_punches_and_a_day(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN, score=0.7, reasons=("a", "b")), plant.match("asha", OUT))
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]
    assert await plant.places("asha") == [("DAY", DAY)] * 2
    rows = await plant.tables("capture", "punch", "attendance_day")
    capture, punch, day = rows["capture"][0], rows["punch"][0], rows["attendance_day"][0]
    assert {capture["reason"] for capture in rows["capture"]} == {"a; b", None}
    assert (capture["time_trust"], capture["image_sha256"]) == ("SYNCED", "00")
    assert capture["projected_at"] > capture["received_at"]
    assert (punch["method"], punch["capture_id"]) == ("face", punch["punch_id"])
    assert (day["org_id"], day["site_id"], day["punch_count"]) == ("org", "site", 2)
    assert day["shift_effective_on"] == date(2026, 1, 1)
    (whole,) = await plant.whole_days()
    assert '"rule": "window"' in whole["explanation"]


async def test_applying_a_batch_twice_changes_nothing(plant: Any) -> None:
    records = await plant.tell(
        plant.match("asha", IN),
        plant.match("asha", OUT),
        plant.match(None, OUT, outcome=Outcome.UNKNOWN),
        plant.person("binod"),
        plant.roster("asha", "day", date(2026, 3, 1)),
        plant.enrolment("asha"),
    )
    before = await plant.tables()
    await plant.projector.apply(records)
    await plant.projector.apply(records[1:2])
    assert await plant.tables() == before


async def test_the_same_event_at_another_offset_changes_nothing(plant: Any) -> None:
    match = plant.match("asha", IN)
    await plant.tell(match, match)
    await plant.tell(plant.enrolment("asha"), plant.person("asha"))
    before = await plant.tables("capture", "punch", "attendance_day")
    await plant.tell(match, plant.person("asha"), plant.site(), plant.shift("day", 8, 12))
    assert await plant.tables("capture", "punch", "attendance_day") == before


@pytest.mark.parametrize("together", [False, True])
async def test_the_first_verdict_of_the_highest_round_counts_unless_an_erasure_made_one(
    plant: Any, *, together: bool
) -> None:
    """Whatever clocks the workers have, and whether the records come in one batch or each in its own."""
    first = plant.enrolment("asha")

    def verdict(decision_round: int, model: str, seconds: int, *, erased: bool = False) -> EnrolmentDecided:
        return replace(
            first,
            outcome=EnrolmentOutcome.REJECTED,
            decision_round=decision_round,
            erased=erased,
            model_name=model,
            recorded_at=first.recorded_at + timedelta(seconds=seconds),
        )

    told = [
        (first, "m"),
        (verdict(0, "repeated", 9), "m"),
        (verdict(1, "by a clock that is behind", -4), "by a clock that is behind"),
        (verdict(1, "repeated", 20), "by a clock that is behind"),
        (verdict(0, "late", 30), "by a clock that is behind"),
        (verdict(3, "later", -9), "later"),
        (verdict(2, "late", 40), "later"),
        (
            verdict(0, "erased, by a clock that is behind", -20, erased=True),
            "erased, by a clock that is behind",
        ),
        (verdict(0, "repeated", 50, erased=True), "erased, by a clock that is behind"),
        (verdict(4, "of a worker that did not know", 60), "erased, by a clock that is behind"),
    ]
    if together:
        await plant.tell(*(event for event, _ in told))
        told = told[-1:]
    for event, shown in told:
        await plant.tell(event)
        (row,) = (await plant.tables("enrolment"))["enrolment"]
        assert row["model_name"] == shown
    assert (row["decision_round"], row["outcome"], row["erased"]) == (0, "REJECTED", True)


async def test_overnight_is_one_day(plant: Any) -> None:
    await plant.tell(plant.shift("night", 23, 1), plant.person("binod", "night"))
    await plant.tell(plant.match("binod", f"{DAY}T23:00+05:30"))
    await plant.tell(plant.match("binod", "2026-03-03T01:30+05:30"))
    assert await plant.days("binod") == [(DAY, "night", "PRESENT", 150)]


async def test_a_later_decision_moves_the_punch_to_another_person(plant: Any) -> None:
    await plant.tell(plant.person("binod"))
    capture_id = uuid4()
    await plant.tell(plant.match("asha", IN, capture_id), plant.match("asha", OUT))
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]
    await plant.tell(plant.match("binod", IN, capture_id, decision_round=1))
    assert await plant.days("asha") == [(DAY, "day", "INCOMPLETE", 0)]
    assert await plant.days("binod") == [(DAY, "day", "INCOMPLETE", 0)]
    await plant.tell(plant.match("asha", IN, capture_id))  # an earlier round, late
    assert len(await plant.places("asha")) == len(await plant.places("binod")) == 1
    await plant.tell(plant.match(None, IN, capture_id, outcome=Outcome.UNKNOWN, decision_round=2))
    assert await plant.days("binod") == []
    assert await plant.places("binod") == []
    (capture,) = await plant.sql.fetch("SELECT * FROM capture WHERE capture_id = $1", capture_id)
    assert (capture["outcome"], capture["decision_round"], capture["person_id"]) == ("UNKNOWN", 2, None)


async def test_decisions_on_one_capture_in_one_batch(plant: Any) -> None:
    capture_id = uuid4()
    await plant.tell(plant.person("binod"))
    await plant.tell(
        plant.match(None, IN, capture_id, outcome=Outcome.REVIEW),
        plant.match("binod", IN, capture_id, decision_round=2),
        plant.match("asha", IN, capture_id, decision_round=1),
    )
    assert (await plant.places("asha"), await plant.places("binod")) == ([], [("DAY", DAY)])


async def test_a_second_occurred_at_is_refused(plant: Any) -> None:
    capture_id = uuid4()
    await plant.tell(plant.match("asha", IN, capture_id))
    # Another month: no partition that holds the second instant holds the first.
    good, bad = (
        plant.match("asha", OUT),
        plant.match("asha", "2026-07-01T08:00Z", capture_id, decision_round=1),
    )
    records = await plant.tell(good, bad)
    assert await plant.refusals() == [("MatchDecided", str(capture_id), "second-occurred-at")]
    (refused,) = await plant.sql.fetch("SELECT * FROM refused_fact")
    assert (refused["person_id"], refused["site_id"], refused["device_id"]) == ("asha", "site", "kiosk")
    assert (refused["made_by"], refused["about_on"]) == (None, date(2026, 7, 1))
    assert str(capture_id) in refused["detail"]
    assert await plant.next_offset() == records[1].committable.next_offset
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]
    await plant.tell(bad)
    assert len(await plant.refusals()) == 1


async def test_a_second_occurred_at_in_one_batch_is_refused(plant: Any) -> None:
    capture_id = uuid4()
    await plant.tell(plant.match("asha", IN, capture_id), plant.match("asha", OUT, capture_id))
    assert await plant.refusals() == [("MatchDecided", str(capture_id), "second-occurred-at")]
    assert await plant.places("asha") == [("DAY", DAY)]


async def test_a_late_punch_rewrites_its_day_only(plant: Any) -> None:
    for day in ("2026-03-02", "2026-03-03", "2026-03-04"):
        await plant.tell(plant.match("asha", f"{day}T08:00+05:30"))
    before = (await plant.tables("attendance_day"))["attendance_day"]
    await plant.tell(plant.match("asha", "2026-03-03T12:00+05:30"))
    after = (await plant.tables("attendance_day"))["attendance_day"]
    assert [row["status"] for row in after] == ["INCOMPLETE", "PRESENT", "INCOMPLETE"]
    assert [old["xmin"] == new["xmin"] for old, new in zip(before, after, strict=True)] == [True, False, True]


async def test_partitions_are_made_for_old_months(plant: Any) -> None:
    await plant.tell(plant.shift("day", 8, 12, date(2019, 1, 1)))
    await plant.tell(
        plant.match("asha", "2019-06-30T23:59:59.999999Z"), plant.match("asha", "2024-12-31T23:59Z")
    )
    names = await plant.sql.fetch("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
    found = {row["relname"] for row in names}
    assert {"capture_2019_06", "punch_2019_06", "capture_2024_12", "punch_2024_12"} <= found
    # They are in the window of no shift: for review, and on no day.
    assert not found & {"punch_2019_07", "attendance_day_2019_06", "attendance_day_2019_07"}


async def test_partitions_made_by_two_at_once(plant: Any) -> None:
    async with open_read_model(plant.writer_url) as other:
        months = {date(2027, month, 1) for month in range(1, 13)}
        await asyncio.gather(plant.read_model.ensure_months(months), other.ensure_months(months))
    made = await plant.sql.fetchval("SELECT count(*) FROM pg_class WHERE relname ~ '^punch_2027_..$'")
    assert made == 12


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda plant: plant.match("asha", "1970-01-01T00:00Z"), "impossible-instant"),
        (lambda plant: plant.punch("A-1", "1970-01-01T00:00Z"), "impossible-instant"),
        (lambda plant: plant.addition("asha", "9999-01-01T00:00Z"), "impossible-instant"),
        (lambda plant: plant.override("asha", TOO_FAR, DayStatus.PRESENT), "too-far-ahead"),
        (lambda plant: replace(plant.addition("asha", IN), occurred_at=TOO_FAR_AT), "too-far-ahead"),
        (lambda plant: replace(plant.punch("A-1", IN), occurred_at=TOO_FAR_AT), "too-far-ahead"),
        (lambda plant: replace(plant.match("asha", IN), occurred_at=TOO_FAR_AT), "too-far-ahead"),
        (lambda plant: plant.match(None, IN), "identified-nobody"),
        (lambda plant: plant.site(zone="Mars/Olympus"), "impossible-fact"),
        (lambda plant: plant.shift("x", 8, 9, window_before_minutes=-1), "impossible-fact"),
        (lambda plant: plant.roster("asha", "day", date(2026, 3, 2), date(2026, 3, 1)), "impossible-fact"),
        (lambda plant: plant.lock(date(2026, 3, 2), date(2026, 3, 1)), "impossible-fact"),
    ],
)
async def test_what_can_never_count_is_kept_with_the_reason_and_stops_nothing(
    plant: Any, make: Any, reason: str
) -> None:
    moved = ("xmin", "next_offset")
    facts = [name for name in TABLES if name not in {"refused_fact", "consumed_position", "device_report"}]
    before = await plant.tables(*facts, without=moved)
    refused = make(plant)
    (record,) = await plant.tell(refused)
    assert [each[0::2] for each in await plant.refusals()] == [(type(refused).__name__, reason)]
    assert await plant.tables(*facts, without=moved) == before
    assert await plant.next_offset(record.topic) == record.committable.next_offset
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


async def test_a_day_that_is_planned_a_year_ahead_counts(plant: Any) -> None:
    ahead = RECORDED_AT.date() + FARTHEST_AHEAD
    for each in (ahead, ahead + timedelta(days=1)):
        await plant.tell(plant.override("asha", each, DayStatus.LEAVE))
    assert await plant.days("asha") == [(str(ahead), "day", "LEAVE", 0)]
    assert [reason for _, _, reason in await plant.refusals()] == ["too-far-ahead"]


async def test_a_thousand_refused_facts_are_one_batch(plant: Any) -> None:
    bad = [plant.punch("A-1", "1970-01-01T00:00Z", person="asha") for _ in range(1000)]
    good = [plant.match("asha", IN), plant.match("asha", OUT)]
    await plant.tell(*bad[:500], *good, *bad[500:])
    assert len(await plant.refusals()) == 1000
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


@pytest.mark.parametrize(
    "make",
    [
        lambda plant: plant.person("asha", display_name="nul \x00"),
        lambda plant: plant.site(zone="nul \x00"),
        lambda plant: plant.match("nul \x00", IN),
        lambda plant: plant.match("asha", IN, reasons=("a", "nul \x00")),
        lambda plant: replace(plant.match("asha", IN), device_id="nul \x00"),
        lambda plant: replace(plant.match("asha", IN), site_id="nul \x00"),
        lambda plant: plant.punch("nul \x00", IN),
        lambda plant: plant.punch("A-1", IN, device_id="nul \x00"),
        lambda plant: plant.addition("asha", IN, reason="nul \x00"),
        lambda plant: plant.addition("nul \x00", IN),
        lambda plant: plant.review(uuid4(), "nul \x00"),
        lambda plant: plant.lock(date(2026, 3, 1), date(2026, 3, 2), "nul \x00"),
        lambda plant: plant.enrolment("nul \x00"),
    ],
)
async def test_what_no_table_can_hold_is_refused_and_stops_nothing(plant: Any, make: Any) -> None:
    refused = make(plant)
    (_, record, _) = await plant.tell(plant.match("asha", IN), refused, plant.match("asha", OUT))
    assert [each[0] for each in await plant.refusals()] == [type(refused).__name__]
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]
    assert await plant.next_offset(record.topic) >= record.committable.next_offset


@pytest.mark.parametrize(
    "make",
    [
        lambda plant: replace(plant.match("asha", IN), device_id=LONG),
        lambda plant: plant.person(LONG),
        lambda plant: plant.punch(LONG, IN),
    ],
)
async def test_an_id_that_no_index_takes_is_refused_once_it_is_alone(plant: Any, make: Any) -> None:
    refused = make(plant)
    with pytest.raises(PoisonRecord, match="unstorable") as error:
        await plant.tell(refused, plant.match("asha", OUT))
    # The delivery loop tries one at a time then.
    assert error.value.record is None
    await plant.tell(refused)
    assert [each[0::2] for each in await plant.refusals()] == [(type(refused).__name__, "unstorable")]


async def test_an_instant_that_no_clock_had_is_told_and_moves_nothing(plant: Any) -> None:
    before = await plant.tables(*(name for name in TABLES if name != "consumed_position"))
    (record,) = await plant.tell(plant.tick("1970-01-01T00:00Z"))
    assert await plant.tables(*before) == before
    assert await plant.next_offset(record.topic) == record.committable.next_offset


async def test_an_organisation_that_no_table_can_name_is_poison(plant: Any) -> None:
    before = await plant.tables()
    with pytest.raises(PoisonRecord, match="unstorable"):
        await plant.tell(replace(plant.match("asha", IN), org_id="nul \x00"))
    assert await plant.tables() == before


async def test_golden_examples_are_applied_or_not_ours(plant: Any) -> None:
    ours = {name for topic in TOPICS for name in topic.events} - {PersonKeyIssued.__name__}
    for _, event, _ in golden_examples():
        if type(event).__name__ in ours:
            await plant.tell(event)
        else:
            with pytest.raises(PoisonRecord, match="unexpected-event"):
                await plant.tell(event)


async def test_windows_longer_than_a_day_count_no_punch_twice(plant: Any) -> None:
    wide = plant.shift("wide", 8, 12, window_before_minutes=2000, window_after_minutes=2000)
    await plant.tell(wide, plant.person("binod", "wide"))
    starts = [plant.match("binod", f"2026-03-{number:02}T08:00+05:30") for number in (2, 3, 4)]
    await plant.tell(*starts)
    await plant.tell(*(plant.match("binod", f"2026-03-{number:02}T12:00+05:30") for number in (2, 4)))
    assert [day[2:] for day in await plant.days("binod")] == [
        ("PRESENT", 240),
        ("INCOMPLETE", 0),
        ("PRESENT", 240),
    ]


async def test_many_days_at_once_are_written_as_few_are(plant: Any) -> None:
    dates = [date(2026, 1, 5) + timedelta(days=number) for number in range(MANY_DAYS + 10)]
    await plant.tell(*(plant.match("asha", f"{on}T08:00+05:30") for on in dates))
    assert {status for _, _, status, _ in await plant.days("asha")} == {"INCOMPLETE"}
    outs = [plant.match("asha", f"{on}T12:00+05:30") for on in dates]
    await plant.tell(*outs)
    assert await plant.days("asha") == [(str(on), "day", "PRESENT", 240) for on in dates]
    written = await plant.tables("attendance_day")
    # The same shift by roster: every day is computed again, comes out as it was, and is not written.
    await plant.tell(plant.roster("asha", "day", dates[0]))
    assert await plant.tables("attendance_day") == written
    await plant.tell(*(plant.void("asha", out) for out in outs[1:]))
    statuses = [status for _, _, status, _ in await plant.days("asha")]
    assert statuses == ["PRESENT", *["INCOMPLETE"] * (len(dates) - 1)]


async def test_a_batch_of_more_people_than_a_round_holds_misses_nobody(plant: Any) -> None:
    people = [f"p{number:04}" for number in range(2 * PEOPLE_PER_ROUND + 10)]
    await plant.tell(*map(plant.person, people))
    await plant.tell(*(plant.match(person, IN) for person in people))
    # Each day is read with what the batch before stored of it, while other people are computed and written.
    await plant.tell(*(plant.match(person, OUT) for person in people))
    days = (await plant.tables("attendance_day"))["attendance_day"]
    assert sorted(day["person_id"] for day in days) == people
    assert {(day["status"], day["worked_minutes"], day["punch_count"]) for day in days} == {
        ("PRESENT", 240, 2)
    }
    punches = (await plant.tables("punch"))["punch"]
    assert {(punch["placement"], punch["placed_shift_id"]) for punch in punches} == {("DAY", "day")}
    assert len(punches) == 2 * len(people)


async def test_numbers_that_no_table_can_count_with_stop_nobody(plant: Any) -> None:
    """They come from nobody whom ingest accepts; time passes, and the facts of others are applied."""
    largest, smallest = 2**63 - 1, -(2**63)
    await plant.tell(plant.tick("2026-03-03T00:00Z"))
    for number in (largest, smallest, 2**53 - 1):
        await plant.tell(replace(plant.report("kiosk", 1, "2026-03-02T02:30Z"), device_sequence=number))
    minutes = [{"worked_minutes": 2**31 - 1}, {"worked_minutes": -(2**31)}, {"overtime_minutes": 1441}]
    on = date(2026, 3, 2)
    await plant.tell(*(plant.override("asha", on, DayStatus.PRESENT, **each) for each in minutes))
    await plant.tell(plant.tick("2026-03-04T00:00Z"))
    assert [reason for _, _, reason in await plant.refusals()] == ["impossible-fact"] * len(minutes)
    assert await plant.sql.fetchval("SELECT max(last_sequence) FROM device_report") == 2**53 - 1
    assert await plant.days("asha") == []
