"""`explain` on what is stored: facts, days, and the scenario file that says the same without a database."""

import asyncio
import json
import os
import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from typer.testing import CliRunner, Result

from attendance_projector.__main__ import cli
from attendance_projector.errors import ReadModelSwitched
from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.dry_run import compute_days
from attendance_projector.explain.explain_stored import explain_stored
from attendance_projector.explain.print_explanation import days_json
from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario, write_scenario
from attendance_projector.explain.scenario.file import LockText
from attendance_projector.explain.stored_scenario import scenario_of
from attendance_projector.explain.what_if import people_asked
from attendance_projector.explain.what_if_file import WhatIf, altered, read_what_if
from attendance_projector.projection.stored import KnownPerson, PersonKey
from attendance_schemas.events import Direction, Outcome
from attendance_testing.projector.stored_months import CLOCK_AT, month_of, told
from local_stack.for_tests.databases import Database

pytestmark = pytest.mark.integration

PEOPLE = 4
# Of each person; STORED_DATES=100 takes all.
DATES = int(os.environ.get("STORED_DATES", "7"))
MARCH, MONDAY = date(2026, 3, 1), date(2026, 3, 2)
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("has_ticked", [True, False])
async def test_the_exported_scenario_gives_the_stored_days(plant: Any, has_ticked: bool) -> None:
    """Nights, flexible days, rotations, holidays, leave, corrections, clock changes of random months."""
    chance = random.Random(has_ticked)
    months = [month_of(plant, 500 + number + PEOPLE * has_ticked) for number in range(PEOPLE)]
    await told(plant, months, chance)
    if has_ticked:
        ticks = (CLOCK_AT - timedelta(days=170), CLOCK_AT)
        await plant.tell(*(plant.tick(at.isoformat()) for at in ticks))
    # Closed by payroll, and corrected after that.
    begins, late = [month.first_on for month in months], timedelta(days=20)
    await plant.close(min(begins), max(begins) + late)
    for month in months:
        await plant.tell(plant.addition(month.person, f"{month.first_on + late}T09:00:00Z"))
    compared = adjusted = 0
    async with open_snapshot(plant.url) as snapshot:
        for month in months:
            rows = await plant.sql.fetch("SELECT * FROM attendance_day WHERE person_id = $1", month.person)
            punches = await plant.sql.fetch("SELECT * FROM punch WHERE person_id = $1", month.person)
            dates = {row["attendance_on"] for row in rows}
            dates |= {punch["occurred_at"].astimezone(UTC).date() for punch in punches}
            sample = chance.sample(sorted(dates), min(DATES, len(dates)))
            for on in {month.first_on + late, *sample}:
                found = await explain_stored(snapshot, month.person, on)
                assert not found.is_wrong, (month.person, on)
                content = write_scenario(scenario_of(found.facts, on, on))
                assert explain_scenario(read_scenario(content)) == days_json(found), (month.person, on)
                assert found.lock or len(found.days) == sum(row["attendance_on"] == on for row in rows)
                adjusted += bool(found.lock and found.differences)
                compared += len(found.days) + len(found.unscheduled)
    assert compared > PEOPLE
    assert adjusted > 0


async def test_an_exported_scenario_with_its_lock_gives_the_locked_days(plant: Any) -> None:
    """Of a period that had not ended when it was closed, some days had not begun, one has not yet."""
    until = date(2026, 3, 6)
    await plant.tell(plant.policy(MONDAY, expects_attendance=True), plant.tick("2026-03-03T09:00:00+05:30"))
    lock = plant.lock(MONDAY, until, recorded_at=datetime(2026, 3, 3, 3, 30, tzinfo=UTC))
    await plant.tell(lock)
    await plant.tell(*await plant.outbox())
    await plant.tell(
        plant.match("asha", "2026-03-05T08:00:00+05:30"),
        plant.match("asha", "2026-03-05T12:00:00+05:30"),
        plant.tick("2026-03-05T20:00:00+05:30"),
    )
    at = lock.recorded_at.isoformat()
    locks = (LockText(starts_on=MONDAY, ends_on=until, at=at, by=lock.authority.subject, reason=lock.reason),)
    said: dict[str, list[Any]] = {"days": [], "adjustments": []}
    async with open_snapshot(plant.url) as snapshot:
        for number in range(5):
            found = await explain_stored(snapshot, "asha", MONDAY + timedelta(days=number))
            assert not found.is_wrong
            file = msgspec.structs.replace(scenario_of(found.facts, found.on, found.on), locks=locks)
            explained = explain_scenario(read_scenario(write_scenario(file)))
            said["days"] += explained["days"]
            said["adjustments"] += explained["adjustments"]
    assert [each["status"] for each in said["days"]] == ["PENDING", "PENDING"]
    assert [each["status_from"] for each in said["adjustments"]] == ["PENDING", "PENDING", None, None]
    for name, table in (("days", "attendance_day"), ("adjustments", "adjustment")):
        stored = (
            (await plant.tables("adjustment"))["adjustment"]
            if table == "adjustment"
            else await plant.whole_days()
        )
        columns = sorted(set(said[name][0]) & set(stored[0].keys()))
        assert {"attendance_on", "worked_minutes", "explanation"} <= set(columns)
        assert [[each[column] for column in columns] for each in said[name]] == [
            [_as_said(row[column]) for column in columns] for row in stored
        ]


def _as_said(value: Any) -> Any:
    """Return a column as a scenario says it."""
    if isinstance(value, str) and value.startswith("["):
        return json.loads(value)
    return value.isoformat() if isinstance(value, date) else value


async def ran(*arguments: str, whose: tuple[str, ...] = ("--org", "org")) -> Result:
    """Run the command as a process would, without the loop of the test."""
    # The login of readers sees one organisation at a time.
    asked = ["explain", *arguments, *(() if "--scenario" in arguments else whose)]
    return await asyncio.to_thread(CliRunner().invoke, cli, asked, catch_exceptions=False)


@pytest.fixture
async def week(plant: Any, migrated: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asha's Monday: in by face, out by a badge that became hers later; a capture that is hers perhaps.

    The command has the login of readers, which may only SELECT.
    """
    monkeypatch.setenv("DATABASE_URL", migrated.query_url)
    ids = [UUID(int=number) for number in range(5)]
    await plant.tell(
        plant.policy(expects_attendance=True),
        plant.roster("asha", "day", date(2026, 1, 5)),
        plant.shift("day", 8, 12, date(2026, 2, 1), late_grace_minutes=5, overtime_after_minutes=0),
        plant.match("asha", "2026-03-02T08:09:00+05:30", ids[1], score=0.71, direction=Direction.IN),
        plant.match("asha", "2026-03-02T08:10:00+05:30", ids[2], Outcome.REVIEW, score=0.4),
        plant.punch("B-7", "2026-03-02T12:30:00+05:30", ids[3]),
        plant.punch("B-7", "2026-03-02T16:00:00+05:30", ids[4]),
        plant.person("asha", badge="B-7", display_name="Asha Rao"),
        plant.person("ravi"),
        plant.tick("2026-03-03T23:00:00+05:30"),
    )
    await plant.tell(plant.addition("asha", "2026-03-03T08:00:00+05:30"))
    return plant


async def test_explain_from_store_says_what_the_database_used_and_why(week: Any, tmp_path: Path) -> None:
    monday = ("--from-store", "asha", "--on", "2026-03-02")
    text = await ran(*monday)
    assert (text.exit_code, text.output) == (0, (GOLDEN / "explain_from_store.txt").read_text())
    # The exported file says the same without the database.
    stored = json.loads((await ran(*monday, "--json")).output)
    (tmp_path / "asha.json").write_text((await ran(*monday, "--as-scenario")).output)
    again = json.loads((await ran("--scenario", str(tmp_path / "asha.json"), "--json")).output)
    assert again == {name: stored[name] for name in ("days", "unscheduled", "review")}
    assert "Asha" not in (tmp_path / "asha.json").read_text()
    tuesday = json.loads((await ran("--from-store", "asha", "--on", "2026-03-03", "--json")).output)
    corrections = [fact["text"] for fact in tuesday["facts"] if fact["kind"] == "correction"]
    assert [text.partition(" at ")[2] for text in corrections] == [
        "2026-03-03 08:00:00+05:30, by hr-1: asked"
    ]
    assert (tuesday["days"][0]["status"], tuesday["differences"]) == ("INCOMPLETE", [])


async def test_a_reader_has_to_name_the_organisation_and_sees_no_other(week: Any) -> None:
    for whose, said in (((), "name it with --org"), (("--org", "other"), "nobody is recorded")):
        result = await ran("--from-store", "asha", "--on", "2026-03-02", whose=whose)
        assert (result.exit_code, said in result.output) == (2, True), result.output


async def test_explain_fails_when_the_stored_day_is_not_what_the_rules_give(week: Any) -> None:
    await week.sql.execute("UPDATE attendance_day SET worked_minutes = 7 WHERE attendance_on = $1", MONDAY)
    await week.sql.execute("UPDATE punch SET placement = 'WAITING' WHERE placement = 'REVIEW'")
    result = await ran("--from-store", "asha", "--on", "2026-03-02")
    assert result.exit_code == 1
    assert "day 2026-03-02 day, worked_minutes: stored 7, rules 261" in result.output
    assert ": stored WAITING, rules REVIEW" in result.output
    assert "a bug, or tables of an older version" in result.output
    await week.sql.execute("DELETE FROM attendance_day")
    result = await ran("--from-store", "asha", "--on", "2026-03-02", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["differences"][0] == {
        "where": "day 2026-03-02 day",
        "stored": None,
        "computed": "PRESENT",
    }


async def test_explain_adds_the_adjustments_to_a_day_that_payroll_closed(week: Any) -> None:
    await week.close(MARCH, MONDAY)
    await week.tell(week.match("asha", "2026-03-02T12:45:00+05:30", UUID(int=5)))
    closed = await ran("--from-store", "asha", "--on", "2026-03-02")
    assert closed.exit_code == 0
    booked = "PRESENT to PRESENT, worked +15 min, overtime +15 min, to be paid"
    assert f"adjustment day (booked on 2026-03-03): {booked}" in closed.output
    assert "day 2026-03-02 day, worked_minutes: stored 261, rules 276" in closed.output
    assert "2026-03-01 to 2026-03-02 was closed by hr-1" in closed.output
    assert json.loads((await ran("--from-store", "asha", "--on", "2026-03-02", "--json")).stdout)["locked"]
    await week.sql.execute("UPDATE adjustment SET worked_minutes = 14")
    wrong = await ran("--from-store", "asha", "--on", "2026-03-02")
    assert wrong.exit_code == 1
    assert "day 2026-03-02 day with its adjustments, worked_minutes: stored 275, rules 276" in wrong.output


async def test_explain_says_who_is_unknown_and_what_is_missing(week: Any) -> None:
    await week.tell(week.match("nobody-yet", "2026-03-02T08:00:00+05:30"), week.person("new", site="plant-9"))
    await week.tell(week.match("new", "2026-03-02T09:00:00+05:30"))
    unknown = await ran("--from-store", "nobody-yet", "--on", "2026-03-02")
    assert unknown.exit_code == 2
    assert "nobody is recorded under nobody-yet. 1 punches of this id wait for it." in unknown.output
    assert "PUT /v1/directory/persons/nobody-yet" in unknown.output
    waiting = await ran("--from-store", "new", "--on", "2026-03-02")
    assert waiting.exit_code == 0
    assert "home site plant-9 is not recorded, so no zone is known; 1 punches wait for it" in waiting.output


async def test_what_if_compares_the_people_of_a_site_and_writes_nothing(week: Any, tmp_path: Path) -> None:
    before = await week.tables()
    file = tmp_path / "what-if.json"
    file.write_text('{"policy": {"flexible": true}, "shifts": [{"id": "day", "late_grace": 10}]}')
    asked = ("--what-if", str(file), "--month", "2026-03")
    text = await ran(*asked, "--site", "site")
    assert (text.exit_code, text.output) == (0, (GOLDEN / "what_if.txt").read_text())
    lines = [json.loads(line) for line in (await ran(*asked, "--site", "site", "--json")).stdout.splitlines()]
    assert [len(line["changed"]) for line in lines[:-1]] == [2, 0]
    totals = lines[-1]["totals"]
    assert (totals["people"], totals["changed_people"], totals["changed_days"]) == (2, 1, 2)
    assert totals["before"]["statuses"] == {"ABSENT": 3, "INCOMPLETE": 1, "PENDING": 1, "PRESENT": 1}
    assert totals["after"]["statuses"]["INCOMPLETE"] == 2
    assert (totals["before"]["late_minutes"], totals["after"]["late_minutes"]) == (9, 0)
    assert await week.tables() == before
    site = await ran(*asked, "--site", "plant-9")
    assert (site.exit_code, "site plant-9 is not recorded" in site.output) == (2, True)
    file.write_text('{"shifts": [{"id": "evening", "late_grace": 10}]}')
    shift = await ran(*asked, "--site", "site")
    assert (shift.exit_code, "shifts[0].id: no shift 'evening'" in shift.output) == (2, True)


async def test_what_would_be_is_what_comes_out_once_it_is_recorded(week: Any) -> None:
    changes = {"policy": {"flexible": True}, "shifts": [{"id": "day", "late_grace": 10, "end": "12:15"}]}
    what_if = read_what_if(json.dumps(changes).encode())
    last_on = date(2026, 3, 31)
    people = [PersonKey("org", "asha"), PersonKey("org", "ravi")]
    async with open_snapshot(week.url) as snapshot:
        kept = await compute_days(
            snapshot, people, MARCH, last_on, lambda person: altered_person(person, what_if)
        )
        expected = [snapshot.columns_of(day) for day in kept.days]
    shift = week.shift("day", 8, 12, MARCH, late_grace_minutes=10, overtime_after_minutes=0)
    await week.tell(
        msgspec.structs.replace(shift, end=time(12, 15)),
        week.policy(MARCH, expects_attendance=True, flexible_day_start=time(5)),
    )
    rows = [each for each in await week.whole_days() if each["attendance_on"] >= MARCH]
    assert len(rows) == len(expected) == 7
    # The explanation calls the policy another name.
    columns = [name for name in expected[0] if name != "explanation"]
    assert sorted([[row[name] for name in columns] for row in rows], key=str) == sorted(
        ([day[name] for name in columns] for day in expected), key=str
    )


def altered_person(person: KnownPerson, what_if: WhatIf) -> KnownPerson:
    assert person.schedule is not None
    return replace(person, schedule=altered(person.schedule, what_if, MARCH))


async def test_a_snapshot_ends_with_an_error_when_other_tables_were_switched_in(week: Any) -> None:
    with pytest.raises(ReadModelSwitched):
        async with open_snapshot(week.url) as snapshot:
            await week.sql.execute(
                """ALTER SCHEMA attendance RENAME TO attendance_before;
                CREATE SCHEMA attendance;
                CREATE TABLE attendance.site AS TABLE attendance_before.site"""
            )
            await people_asked(snapshot, None, "site", None)
