"""An id is its organisation's own: others can use it, too, and neither changes or loses anything by that."""

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from attendance_projector.errors import SnapshotRefused, UnknownPerson
from attendance_projector.explain.adapters.postgres_snapshot import open_snapshot
from attendance_projector.explain.explain_stored import explain_stored
from attendance_projector.explain.what_if import people_asked
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.store.migrate import migrate
from attendance_schemas.events import DayStatus, Event
from attendance_testing.projector.plant import TABLES
from attendance_testing.projector.stored_months import CLOCK_AT, Month, month_of, told
from local_stack.for_tests.databases import CloneTemplate

pytestmark = pytest.mark.integration

OURS, THEIRS = "org", "other"
ON = "2026-03-10"
MARCH = date(2026, 3, 1), date(2026, 3, 31)
IN, OUT = (f"{ON}T{time}+05:30" for time in ("08:00", "11:30"))
STOOD = [(ON, "day", "PRESENT", 210)]
# When a row was written, and which seal was drawn. The positions count the records of both.
BY_CHANCE = ("xmin", "projected_at", "refused_at", "sealing_id")
COMPARED = tuple(name for name in TABLES if name != "consumed_position")
PEOPLE = "xyz"


def of(org_id: str, *events: Event) -> list[Any]:
    """Return the events as another organisation tells them, with the same ids."""
    return [msgspec.structs.replace(event, org_id=org_id) for event in events]


async def rows_of(plant: Any, org_id: str, without: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Return the rows of an organisation, and the time, which is the same for all."""
    tables = await plant.tables(*COMPARED, without=tuple(without))
    return {
        name: [row for row in rows if row.get("org_id", org_id) == org_id] for name, rows in tables.items()
    }


async def test_what_names_something_of_others_changes_nothing_there_and_tells_nothing(plant: Any) -> None:
    face, badge = plant.match("asha", IN), plant.punch("b-1", OUT)
    wrong, leave = (
        plant.addition("asha", f"{ON}T07:00+05:30"),
        plant.override("asha", date(2026, 4, 1), DayStatus.LEAVE),
    )
    undone = plant.void("asha", wrong)
    await plant.tell(face, badge, plant.person("asha", badge="b-1"), wrong, leave, undone)
    lock = await plant.close(*MARCH)
    assert await plant.days("asha") == [*STOOD, ("2026-04-01", "day", "LEAVE", 0)]
    ours = await rows_of(plant, OURS)
    await plant.sql.execute("TRUNCATE outbox")
    await plant.tell(
        *of(
            THEIRS,
            plant.reopening(lock),
            plant.void("asha", face),
            plant.void("asha", badge),
            plant.void("asha", leave.correction_id),
            plant.void("asha", undone.correction_id),
            plant.review(face.capture_id, "binod"),
            plant.review(face.capture_id, None),
            plant.override("asha", date.fromisoformat(ON), DayStatus.ABSENT),
            plant.person("binod", badge="b-1"),
            plant.person("asha", shift=None, site="elsewhere"),
            plant.site("Europe/Berlin"),
            plant.shift("day", 20, 22),
        )
    )
    for event in of(THEIRS, plant.site(), plant.shift("day", 8, 12), plant.person("asha")):
        await plant.tell(plant.tombstone(event))
    # Not even written again.
    assert await rows_of(plant, OURS) == ours
    assert await plant.sql.fetchval("SELECT count(*) FROM outbox") == 0
    # Each is known where it was said.
    theirs = await rows_of(plant, THEIRS)
    assert (len(theirs["correction"]), len(theirs["review"]), len(theirs["punch"])) == (5, 2, 0)


async def test_an_id_that_others_used_first_is_as_good_as_any(plant: Any) -> None:
    one_id = UUID(int=9)
    facts = [
        plant.match("asha", IN, one_id),
        plant.punch("b-1", OUT, UUID(int=10), person="asha"),
        plant.addition("asha", f"{ON}T11:45+05:30", correction_id=one_id),
        plant.override("asha", date(2026, 4, 1), DayStatus.LEAVE, correction_id=UUID(int=11)),
        msgspec.structs.replace(plant.enrolment("asha"), enrolment_id=one_id),
    ]
    lock = plant.lock(*MARCH, lock_id=one_id)
    # As others say something else under each of the ids, at another instant, about another person.
    others = [
        plant.match("zoe", "2026-03-11T09:00+05:30", one_id),
        plant.punch("z-1", "2026-03-11T12:00+05:30", UUID(int=10), person="zoe"),
        plant.addition("zoe", "2026-03-11T12:15+05:30", correction_id=one_id),
        plant.override("zoe", date(2026, 4, 2), DayStatus.ABSENT, correction_id=UUID(int=11)),
        msgspec.structs.replace(plant.enrolment("zoe"), enrolment_id=one_id),
    ]
    directory = (plant.site(), plant.shift("day", 8, 12), plant.person("zoe"))
    await plant.tell(
        *of(THEIRS, *directory, *others, plant.lock(date(2026, 3, 11), MARCH[1], lock_id=one_id))
    )
    await plant.tell(*facts, lock)
    await plant.tell(*await plant.outbox())
    leave = ("2026-04-01", "day", "LEAVE", 0)
    assert await plant.days("asha") == [(ON, "day", "PRESENT", 225), leave]
    assert await plant.days("zoe", THEIRS) == [
        ("2026-03-11", "day", "PRESENT", 195),
        ("2026-04-02", "day", "ABSENT", 0),
    ]
    locks = (await plant.tables("period_lock"))["period_lock"]
    assert [(row["org_id"], row["starts_on"], row["in_force"]) for row in locks] == [
        (OURS, MARCH[0], True),
        (THEIRS, date(2026, 3, 11), True),
    ]
    counts = {name: len(rows) for name, rows in (await rows_of(plant, OURS)).items()}
    expected = {"capture": 1, "punch": 3, "correction": 2, "enrolment": 1, "locked_day": 1}
    assert {name: counts[name] for name in expected} == expected
    assert {
        name: len(rows) for name, rows in (await rows_of(plant, THEIRS)).items() if name in expected
    } == expected


def of_organisation(org_id: str, months: Sequence[Month]) -> list[Month]:
    return [
        replace(month, facts={key: of(org_id, *facts) for key, facts in month.facts.items()})
        for month in months
    ]


async def tables_of(
    plant: Any, template_database: CloneTemplate, by_org: dict[str, list[Month]], lock: Any, late: list[Any]
) -> dict[str, dict[str, list[Any]]]:
    """Tell what these organisations say to an empty read model; return the rows of each."""
    async with AsyncExitStack() as stack:
        empty = await stack.enter_async_context(template_database("projector", migrate))
        read_model = await stack.enter_async_context(open_read_model(empty.writer_url))
        sql = await asyncpg.connect(empty.url, server_settings={"search_path": "attendance"})
        stack.push_async_callback(sql.close)
        one = type(plant)(read_model, empty, sql)
        for org_id in by_org:
            await one.tell(*of(org_id, plant.site(), plant.shift("day", 8, 12), plant.person("asha")))
        await told(one, [month for months in by_org.values() for month in months], random.Random(len(by_org)))
        await one.tell(plant.tick(CLOCK_AT.isoformat()))
        await one.tell(*(event for org_id in by_org for event in of(org_id, lock)))
        await one.tell(*await one.outbox())
        await one.tell(*(event for org_id in by_org for event in of(org_id, *late)))
        return {org_id: await rows_of(one, org_id, without=BY_CHANCE) for org_id in by_org}


@pytest.mark.parametrize("seed", range(2))
async def test_two_organisations_with_the_same_ids_are_each_as_if_alone(
    plant: Any, template_database: CloneTemplate, seed: int
) -> None:
    """Generated facts of every kind, the ids of both equal and what they say different."""
    by_org = {}
    for number, org_id in enumerate((OURS, THEIRS)):
        seeds = [100 * seed + 10 * number + each for each in range(len(PEOPLE))]
        months = [month_of(plant, each, name) for each, name in zip(seeds, PEOPLE, strict=True)]
        enrolled = msgspec.structs.replace(plant.enrolment("asha"), enrolment_id=UUID(int=seed))
        status = (DayStatus.LEAVE, DayStatus.ABSENT)[number]
        override = plant.override("person-x", date(2026, 4, 1), status, correction_id=UUID(int=seed))
        months[0].facts["override"] = [override]
        months[0].facts["enrolment"] = [msgspec.structs.replace(enrolled, template_count=number)]
        by_org[org_id] = of_organisation(org_id, months)
    lock = plant.lock(date(2026, 1, 1), date(2026, 12, 31))
    late = [
        plant.match(f"person-{name}", f"2026-{month:02}-1{day}T10:30:00Z")
        for name in PEOPLE
        for month in (3, 4, 9, 10, 11)
        for day in range(3)
    ]
    together = await tables_of(plant, template_database, by_org, lock, late)
    for org_id, months in by_org.items():
        alone = await tables_of(plant, template_database, {org_id: months}, lock, late)
        for name in COMPARED:
            assert together[org_id][name] == alone[org_id][name], (org_id, name)
        filled = {name for name, rows in alone[org_id].items() if rows}
        assert filled >= {"punch", "attendance_day", "correction", "review", "locked_day", "adjustment"}
    assert together[OURS]["attendance_day"] != together[THEIRS]["attendance_day"]
    shared = [{row["punch_id"] for row in together[org_id]["punch"]} for org_id in by_org]
    assert len(shared[0] & shared[1]) > len(shared[0]) // 2


@pytest.mark.parametrize("at", [IN, OUT])
@pytest.mark.parametrize("capture_first", [True, False])
async def test_a_capture_and_a_punch_of_one_id_are_judged_together(
    plant: Any, at: str, capture_first: bool
) -> None:
    """In one batch, at one instant or at two: the capture stays, and the punch alone is refused."""
    capture, punch = plant.match("asha", IN, UUID(int=5)), plant.punch("A-1", at, UUID(int=5), person="asha")
    addition = msgspec.structs.replace(plant.addition("asha", at), punch_id=UUID(int=5))
    seconds = [punch, addition]
    await plant.tell(*([capture, *seconds] if capture_first else [*seconds, capture]))
    refused = [
        ("PunchAdded", str(addition.correction_id), "id-in-use"),
        ("PunchSubmitted", str(punch.punch_id), "id-in-use"),
    ]
    assert await plant.refusals() == refused
    # What comes after it is refused as well, and kept once.
    await plant.tell(*seconds)
    assert await plant.refusals() == refused
    assert await plant.days("asha") == [(ON, "day", "INCOMPLETE", 0)]


async def test_an_id_of_several_organisations_is_asked_for_with_its_organisation(plant: Any) -> None:
    await plant.tell(plant.match("asha", IN), plant.match("asha", OUT))
    asked = "asha", date.fromisoformat(ON)
    async with open_snapshot(plant.url) as snapshot:
        assert len((await explain_stored(snapshot, *asked)).days) == 1
    await plant.tell(*of(THEIRS, plant.site(), plant.person("asha", shift=None)))
    async with open_snapshot(plant.url) as snapshot:
        with pytest.raises(SnapshotRefused, match=r"a person asha.*--org") as refused:
            await explain_stored(snapshot, *asked)
        with pytest.raises(SnapshotRefused, match=r"a site site.*--org"):
            await people_asked(snapshot, None, "site", None)
        assert THEIRS not in str(refused.value)
        found = [await explain_stored(snapshot, *asked, org_id) for org_id in (OURS, THEIRS)]
        assert [len(each.days) for each in found] == [1, 0]
        assert not any(each.is_wrong for each in found)
        with pytest.raises(UnknownPerson):
            await explain_stored(snapshot, *asked, "nobody")
        for org_id in (OURS, THEIRS):
            people = await people_asked(snapshot, None, "site", org_id)
            assert [person.org_id for person in people] == [org_id]
