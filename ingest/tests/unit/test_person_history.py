"""A new record of a person changes days from its date on, and a badge's punches stay with who had it."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from attendance_schemas.events import FormerBadge, PersonTerms
from ingest.directory.record_directory import DirectoryDesk, import_documents, record_document
from ingest.domain.actor import Actor
from ingest.domain.directory_documents import KINDS
from ingest.domain.person_history import MOST_CHANGES, default_shift_on
from ingest.errors import Forbidden, InvalidRecord

HR = Actor("hr-1", "acme", frozenset({"hr"}))
SHIFT = {"effective_on": "2026-01-01", "name": "Day", "start": "08:00", "end": "16:30"}
PERSON = {
    "home_site_id": "pune",
    "display_name": "Ravi",
    "joined_on": "2026-01-05",
    "default_shift_id": "day",
}
BEFORE = {"home_site_id": "pune", "default_shift_id": "day", "joined_on": date(2026, 1, 5)}


@pytest.fixture
async def desk(directory, clock) -> DirectoryDesk:
    desk = DirectoryDesk(directory, clock)
    await record(desk, "sites", "london", {"name": "London", "time_zone": "Europe/London"})
    for shift_id in ("day", "night"):
        await record(desk, "shifts", shift_id, SHIFT)
    await record(desk, "persons", "p-7", PERSON)
    return desk


async def record(desk, kind, identity, document):
    return await record_document(
        KINDS[kind], identity, KINDS[kind].document.model_validate(document), HR, desk
    )


async def change(desk, **changes):
    return await record(desk, "persons", "p-7", PERSON | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"home_site_id": "london"},
        {"default_shift_id": "night"},
        {"default_shift_id": None},
        {"active": False},
        {"joined_on": "2026-02-01"},
        {"joined_on": None},
        {"left_on": "2026-02-01"},
    ],
)
async def test_a_change_holds_from_today_at_the_home_site(desk, clock, changes):
    clock.now = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)  # the morning of the 2nd in Pune
    event = await change(desk, **changes)
    assert event.earlier == (PersonTerms(replaced_on=date(2026, 3, 2), **BEFORE),)


async def test_a_change_holds_from_the_date_that_it_names(desk):
    event = await change(desk, home_site_id="london", effective_on="2026-02-01")
    assert event.earlier == (PersonTerms(replaced_on=date(2026, 2, 1), **BEFORE),)
    assert await change(desk, home_site_id="london", effective_on="2026-02-01") == event
    assert await change(desk, home_site_id="london") == event
    earlier = await change(desk, home_site_id="london", effective_on="2026-01-20")
    assert earlier.earlier == (PersonTerms(replaced_on=date(2026, 1, 20), **BEFORE),)


async def test_what_is_recorded_for_an_earlier_date_takes_the_place_of_what_came_later(desk, clock):
    await change(desk, default_shift_id="night", effective_on="2026-02-01")
    event = await change(desk, home_site_id="london", effective_on="2026-01-20")
    assert [terms.replaced_on for terms in event.earlier] == [date(2026, 1, 20)]
    clock.advance(days=3)
    event = await change(desk, home_site_id="london", default_shift_id="night")
    assert [terms.replaced_on for terms in event.earlier] == [date(2026, 1, 20), date(2026, 3, 5)]
    assert [default_shift_on(event, date(2026, 3, day)) for day in (4, 5)] == ["day", "night"]
    back = await change(desk, effective_on="2026-01-20")
    assert back.earlier == ()


async def test_a_name_and_what_is_taken_back_the_same_day_leave_no_trace(desk):
    assert (await change(desk, display_name="Ravi K")).earlier == ()
    await change(desk, active=False)
    assert (await change(desk)).earlier == ()


async def test_a_date_to_come_is_refused(desk):
    with pytest.raises(InvalidRecord, match="2026-03-03 is after 2026-03-02"):
        await change(desk, active=False, effective_on="2026-03-03")


async def test_a_record_does_not_grow_without_end(desk, directory, clock):
    days = [
        PersonTerms(replaced_on=date(2020, 1, 1) + timedelta(days=day), home_site_id="pune")
        for day in range(MOST_CHANGES)
    ]
    grown = replace(directory.view.person("acme", "p-7"), earlier=tuple(days), event_id=uuid4())
    write = directory.view.write_of(grown)
    assert directory.view.apply(write.key, grown, version=write.version)
    with pytest.raises(InvalidRecord, match="more than 1000 times"):
        await change(desk, active=False)


async def test_a_line_of_a_file_names_its_date_too(desk, directory):
    text = "person_id,home_site_id,effective_on\np-7,london,2026-02-01\np-1,pune,2026-03-03\n"
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["persons"], text.encode(), HR, desk)
    assert [(error.line, error.field) for error in caught.value.errors] == [(3, "effective_on")]
    await import_documents(KINDS["persons"], text.replace("p-1,pune,2026-03-03\n", "").encode(), HR, desk)
    person = directory.view.person("acme", "p-7")
    assert (person.home_site_id, person.joined_on) == ("london", date(2026, 1, 5))
    assert [terms.replaced_on for terms in person.earlier] == [date(2026, 2, 1)]


async def test_a_badge_is_of_whoever_had_it_then(desk, directory, clock):
    first_at = clock()
    await record(desk, "persons", "a", PERSON | {"badge": "B-7"})
    clock.advance(hours=1)
    lost = await record(desk, "persons", "a", PERSON | {"badge": "B-8"})
    assert lost.former_badges == (FormerBadge(badge="B-7", held_until=clock()),)
    clock.advance(hours=1)
    await record(desk, "persons", "b", PERSON | {"badge": "B-7"})

    def holder(hours: float) -> str | None:
        found = directory.view.holder_at("acme", "B-7", first_at + timedelta(hours=hours))
        return found and found.person_id

    assert [holder(hours) for hours in (-24, 0.5, 1, 1.5, 2, 24)] == ["a", "a", "b", "b", "b", "b"]
    clock.advance(hours=1)
    await record(desk, "persons", "b", PERSON)
    assert [holder(hours) for hours in (0.5, 2, 2.99, 3)] == ["a", "b", "b", None]
    clock.advance(hours=1)
    await record(desk, "persons", "a", PERSON | {"badge": "B-7"})
    assert [holder(hours) for hours in (0.5, 2, 3, 24)] == ["a", "b", "a", "a"]
    assert directory.view.holder_at("globex", "B-7", first_at) is None


@pytest.mark.parametrize("by_file", [False, True])
async def test_the_past_of_a_former_home_is_changed_only_by_who_acts_for_it(desk, by_file):
    moved = await change(desk, home_site_id="london", effective_on="2026-02-01")
    of_london = Actor("hr-2", "acme", frozenset({"hr"}), frozenset({"london"}))

    async def say(**changes):
        said = PERSON | {"home_site_id": "london"} | changes
        if by_file:
            text = ",".join(["person_id", *said]) + "\n" + ",".join(["p-7", *said.values()]) + "\n"
            return await import_documents(KINDS["persons"], text.encode(), of_london, desk)
        document = KINDS["persons"].document.model_validate(said)
        return await record_document(KINDS["persons"], "p-7", document, of_london, desk)

    with pytest.raises(InvalidRecord if by_file else Forbidden, match="at site pune"):
        await say(effective_on="2026-01-10")
    assert desk.directory.view.person("acme", "p-7") == moved
    await say(default_shift_id="night", effective_on="2026-02-01")
    await say(display_name="Ravi K.")
    assert desk.directory.view.person("acme", "p-7").earlier[:1] == moved.earlier
