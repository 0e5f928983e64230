"""Two shifts on one date: meant, or an entry that somebody forgot to end."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_schemas.events import RosterRecorded, Weekday
from ingest.directory.record_directory import DirectoryDesk, import_documents, record_document, take_back
from ingest.domain.actor import Actor
from ingest.domain.directory_documents import KINDS
from ingest.domain.roster import MOST_ENTRIES, first_date_of_both, gives_shift_on, shifts_on
from ingest.errors import InvalidRecord

HR = Actor("hr-1", "acme", frozenset({"hr"}))
SHIFT = {"effective_on": "2026-01-01", "name": "Day", "start": "08:00", "end": "16:30"}
OLD = {"person_id": "p-1", "shift_id": "day", "starts_on": "2026-01-01"}
NEW = OLD | {"shift_id": "night", "starts_on": "2026-03-01"}
HEADER = "roster_id,person_id,shift_id,starts_on,ends_on\n"


@pytest.fixture
async def desk(directory, clock) -> DirectoryDesk:
    desk = DirectoryDesk(directory, clock)
    for shift_id in ("day", "night"):
        await record(desk, shift_id, SHIFT, "shifts")
    await record(desk, "old", OLD)
    return desk


async def record(desk, identity, document, kind="rosters"):
    return await record_document(
        KINDS[kind], identity, KINDS[kind].document.model_validate(document), HR, desk
    )


async def test_an_open_entry_is_ended_before_another_begins(desk):
    with pytest.raises(InvalidRecord) as caught:
        await record(desk, "new", NEW)
    [error] = caught.value.errors
    assert error.field == "shift_id"
    assert "shift day by entry old, which is open, on 2026-03-01" in error.message
    assert "record old with ends_on 2026-02-28" in error.message
    await record(desk, "old", OLD | {"ends_on": "2026-02-28"})
    await record(desk, "new", NEW)
    with pytest.raises(InvalidRecord, match="shift night by entry new, which is open, on 2026-03-01"):
        await record(desk, "old", OLD)


@pytest.mark.parametrize(
    "document",
    [
        NEW | {"in_addition": True},
        NEW | {"shift_id": "day"},
        NEW | {"starts_on": "2025-01-01", "ends_on": "2025-12-31"},
        OLD | {"shift_id": "night", "person_id": "p-3"},
    ],
)
async def test_what_gives_no_second_shift_or_is_meant_is_recorded(desk, directory, document):
    await record(desk, "p-3", {"home_site_id": "pune", "display_name": "x"}, "persons")
    assert await record(desk, "new", document) == directory.recorded[-1]
    # The other one, which was there before, can still be changed.
    await record(desk, "old", OLD | {"ends_on": "2030-02-28"})


async def test_weekdays_and_rotations_that_never_meet_are_no_second_shift(desk):
    week = OLD | {"weekdays": ["MON", "TUE", "WED", "THU", "FRI"]}
    await record(desk, "old", week)
    await record(desk, "weekend", NEW | {"weekdays": ["SAT", "SUN"]})
    with pytest.raises(InvalidRecord, match="on 2026-03-06 too"):
        await record(desk, "friday", NEW | {"weekdays": ["FRI"]})


async def test_an_entry_that_was_taken_back_gives_no_shift(desk):
    await take_back(KINDS["rosters"], "old", None, HR, desk)
    await record(desk, "new", NEW)


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ("old,p-1,day,2026-01-01,2026-02-28\nnew,p-1,night,2026-03-01,\n", []),
        ("new,p-1,night,2026-03-01,\nold,p-1,day,2026-01-01,2026-02-28\n", []),
        ("new,p-1,night,2026-03-01,\n", [2]),
        ("new,p-1,night,2026-03-01,\nold,p-1,day,2026-01-01,\n", [3]),
        ("old,p-1,day,2026-01-01,2026-02-28\na,p-1,night,2026-03-01,\nb,p-1,day,2026-03-02,\n", [4]),
        ("old,p-1,day,2026-01-01,\n", []),
    ],
)
async def test_the_entries_of_a_file_are_held_against_each_other(desk, lines, errors):
    if not errors:
        await import_documents(KINDS["rosters"], (HEADER + lines).encode(), HR, desk)
        return
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["rosters"], (HEADER + lines).encode(), HR, desk)
    assert [error.line for error in caught.value.errors] == errors


async def test_the_entries_of_one_person_are_bounded(desk):
    dates = [date(2026, 1, 1) + timedelta(days=number) for number in range(MOST_ENTRIES + 1)]
    text = HEADER + "".join(f"r-{on},p-1,day,{on},{on}\n" for on in dates)
    with pytest.raises(InvalidRecord, match="take those back that are over"):
        await import_documents(KINDS["rosters"], text.encode(), HR, desk)


async def test_a_file_of_rotations_that_never_meet_keeps_nobody_waiting(desk):
    """Each of 250 entries gives one date of its own, by a cycle of another length than the one before."""
    header = "roster_id,person_id,shift_id,starts_on,ends_on,rotation_length,rotation_days\n"
    lines = (
        f"r-{day},p-1,{'night' if day % 2 else 'day'},2025-01-01,2025-09-15,{366 - day % 70},{day}\n"
        for day in range(1, 251)
    )
    turns = 0

    async def work_beside() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(work_beside())
    counts = await import_documents(KINDS["rosters"], (header + "".join(lines)).encode(), HR, desk)
    beside.cancel()
    assert counts.recorded == 250
    assert turns > 250  # between each two of them


async def test_the_shifts_of_a_date_are_those_of_the_roster_else_the_default(desk, directory):
    person = {"home_site_id": "pune", "display_name": "x", "default_shift_id": "night"}
    await record(desk, "p-1", person, "persons")
    await record(desk, "both", NEW | {"in_addition": True, "ends_on": "2026-03-01"})
    roster, asha = directory.view.roster_of("acme", "p-1"), directory.view.person("acme", "p-1")
    on = {date(2025, 12, 31): set(), date(2026, 2, 28): {"day"}, date(2026, 3, 1): {"day", "night"}}
    assert {each: shifts_on(asha, roster, each) for each in on} == on
    assert shifts_on(asha, [], date(2026, 3, 2)) == {"night"}


entries = st.builds(
    lambda starts_in, length, cycle, weekdays: RosterRecorded(
        event_id=uuid4(),
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        org_id="acme",
        roster_id="r",
        person_id="p",
        shift_id="s",
        starts_on=date(2026, 1, 1) + timedelta(days=starts_in),
        ends_on=None if length is None else date(2026, 1, 1) + timedelta(days=starts_in + length),
        weekdays=() if cycle else tuple(day for day in Weekday if day in weekdays),
        rotation_length=cycle[0] if cycle else None,
        rotation_days=tuple(sorted(cycle[1])) if cycle else (),
    ),
    st.integers(0, 400),
    st.none() | st.integers(0, 400),
    st.none()
    | st.integers(1, 28).flatmap(
        lambda length: st.tuples(st.just(length), st.sets(st.integers(1, length), min_size=1, max_size=3))
    ),
    st.sets(st.sampled_from(Weekday), max_size=2),
)


@given(entries, entries)
def test_two_entries_meet_on_the_first_date_on_which_both_give_their_shift(one, other):
    dates = (date(2026, 1, 1) + timedelta(days=number) for number in range(400 + 28 * 28))
    first = next((on for on in dates if gives_shift_on(one, on) and gives_shift_on(other, on)), None)
    assert first_date_of_both(one, other) == first_date_of_both(other, one) == first
