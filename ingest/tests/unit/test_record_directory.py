import asyncio
from datetime import date, time
from importlib.resources import files
from uuid import uuid4

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from attendance_schemas.codec import encode_body
from attendance_schemas.events import (
    Authority,
    DefaultPolicy,
    IdentificationScope,
    PersonRecorded,
    RosterRecorded,
    ShiftRecorded,
    Weekday,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.org_types import load_org_types
from attendance_schemas.topics import DIRECTORY
from ingest.directory.record_directory import DirectoryDesk, import_documents, record_document, take_back
from ingest.domain.actor import Actor
from ingest.domain.directory import DirectoryView, is_directory_event
from ingest.domain.directory_documents import KINDS
from ingest.domain.directory_rows import MAXIMUM_COLUMNS, read_table
from ingest.errors import Forbidden, InvalidRecord, NotRecorded
from service_kit.errors import TransientFailure

HR = Actor("hr-1", "acme", frozenset({"hr"}))
OPS = Actor("ops-1", "acme", frozenset({"ops"}))
DEVICE = {"site_id": "pune", "name": "Gate", "kind": "KIOSK"}
PERSON = {"home_site_id": "pune", "display_name": "Ravi"}
SHIFT = {"effective_on": "2026-01-01", "name": "Day", "start": "08:00", "end": "16:30"}
HOLIDAY = {"name": "Republic Day", "holiday_on": "2026-01-26"}
LEAVE = {"person_id": "p-1", "starts_on": "2026-03-02", "ends_on": "2026-03-03"}
POLICY = {"name": "Plant", "effective_on": "2026-01-01"}
ROTATION = {"rotation_length": 4, "rotation_days": [2, 1, 2]}
ROSTER = {"person_id": "p-1", "shift_id": "day", "starts_on": "2026-01-01"}


@pytest.fixture
def desk(directory, clock) -> DirectoryDesk:
    return DirectoryDesk(directory, clock)


async def record(desk, kind, identity, document, actor=HR):
    return await record_document(
        KINDS[kind], identity, KINDS[kind].document.model_validate(document), actor, desk
    )


def errors_of(caught) -> list[tuple[int | None, str]]:
    return [(error.line, error.field) for error in caught.value.errors]


async def test_a_person_is_recorded(desk, directory, now):
    event = await record(desk, "persons", "p-2", PERSON | {"badge": "B-2", "joined_on": "2026-01-05"})
    assert isinstance(event, PersonRecorded)
    assert (event.org_id, event.person_id, event.joined_on) == ("acme", "p-2", date(2026, 1, 5))
    assert (event.occurred_at, event.recorded_at) == (now, now)
    assert directory.recorded == [event]
    assert directory.view.person("acme", "p-2") == event


async def test_a_site_says_with_whom_its_captures_are_compared(desk, directory):
    site = {"name": "Gate", "time_zone": "Asia/Kolkata"}
    assert (
        await record(desk, "sites", "gate", site)
    ).identification_scope is IdentificationScope.ORGANISATION
    limited = await record(desk, "sites", "gate", site | {"identification_scope": "site"})
    assert limited.identification_scope is IdentificationScope.SITE
    rows = b"site_id,name,time_zone,identification_scope\ngate,Gate,Asia/Kolkata,\nyard,Yard,UTC,SITE\n"
    assert (await import_documents(KINDS["sites"], rows, HR, desk)).recorded == 2
    assert [event.identification_scope.value for event in directory.recorded[-2:]] == ["ORGANISATION", "SITE"]


async def test_the_policy_of_a_type_goes_with_the_organisation(desk, directory):
    school = {"name": "Hillside", "time_zone": "Europe/London", "org_type": "school"}
    event = await record(desk, "organisations", "acme", school | {"default_policy_on": "2026-01-05"}, OPS)
    assert event.default_policy == DefaultPolicy(
        weekly_offs=(Weekday.SAT, Weekday.SUN), flexible_day_start=None, expects_attendance=True
    )
    assert event.default_policy_on == date(2026, 1, 5)
    assert encode_body(event)
    usual = await record(desk, "organisations", "acme", {"name": "Acme", "time_zone": "UTC"}, OPS)
    assert (usual.org_type, usual.default_policy) == ("company", None)


async def test_a_type_that_waits_for_people_says_from_when(desk, directory):
    plain = {"name": "Hillside", "time_zone": "Europe/London"}
    with pytest.raises(InvalidRecord) as caught:
        await record(desk, "organisations", "acme", plain | {"org_type": "school"}, OPS)
    assert errors_of(caught) == [(None, "default_policy_on")]
    fair = await record(desk, "organisations", "acme", plain | {"org_type": "event"}, OPS)
    assert fair.default_policy.flexible_day_start == time(5)


async def test_an_unknown_type_names_the_known_ones(desk, directory):
    with pytest.raises(InvalidRecord) as caught:
        await record(
            desk, "organisations", "acme", {"name": "x", "time_zone": "UTC", "org_type": "academy"}, OPS
        )
    assert errors_of(caught) == [(None, "org_type")]
    assert "clinic, company, event, plant, school" in caught.value.errors[0].message
    rows = b"org_id,name,time_zone,org_type\nacme,Acme,UTC,academy\n"
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["organisations"], rows, OPS, desk)
    assert errors_of(caught) == [(2, "org_type")]
    assert directory.recorded == []


async def test_a_type_is_added_by_a_file_and_counts_once_recorded_again(directory, clock, tmp_path):
    file, gym = tmp_path / "gym.yaml", {"name": "Acme", "time_zone": "UTC", "org_type": "gym"}
    built_in = files("attendance_schemas").joinpath("org-types", "event.yaml")
    file.write_text(built_in.read_text())
    desk = DirectoryDesk(directory, clock, org_types=load_org_types(tmp_path))
    event = await record(desk, "organisations", "acme", gym, OPS)
    assert (event.org_type, event.default_policy.flexible_day_start) == ("gym", time(5))
    file.write_text(built_in.read_text().replace("05:00:00", "03:00:00"))
    changed = DirectoryDesk(directory, clock, org_types=load_org_types(tmp_path))
    assert directory.recorded == [event]
    again = await record(changed, "organisations", "acme", gym, OPS)
    assert again.default_policy.flexible_day_start == time(3)


async def test_versions_of_a_shift_are_kept_apart(desk, directory):
    await record(desk, "shifts", "day", SHIFT)
    june = await record(desk, "shifts", "day", SHIFT | {"effective_on": "2026-06-01", "start": "09:00"})
    assert isinstance(june, ShiftRecorded)
    assert june.start == time(9)
    assert {DIRECTORY.key_of(event) for event in directory.recorded} == {
        b"acme:shift:day:2026-01-01",
        b"acme:shift:day:2026-06-01",
    }


async def test_the_same_document_again_publishes_nothing(desk, directory, clock):
    first = await record(desk, "persons", "p-2", PERSON)
    clock.advance(days=1)
    assert await record(desk, "persons", "p-2", PERSON) == first
    changed = await record(desk, "persons", "p-2", PERSON | {"active": False})
    back = await record(desk, "persons", "p-2", PERSON)
    assert directory.recorded == [first, changed, back]
    assert len({event.event_id for event in directory.recorded}) == 3


@pytest.mark.parametrize(
    ("kind", "document", "fields"),
    [
        ("persons", PERSON | {"home_site_id": "delhi"}, ["home_site_id"]),
        ("persons", PERSON | {"default_shift_id": "day"}, ["default_shift_id"]),
        ("rosters", ROSTER | {"person_id": "p-9"}, ["person_id", "shift_id"]),
        ("devices", {"site_id": "delhi", "name": "x", "kind": "camera"}, ["site_id"]),
        ("holidays", HOLIDAY | {"site_id": "delhi"}, ["site_id"]),
        ("policies", POLICY | {"site_id": "delhi"}, ["site_id"]),
        ("leaves", LEAVE | {"person_id": "p-9"}, ["person_id"]),
    ],
)
async def test_references_must_be_recorded(desk, directory, kind, document, fields):
    with pytest.raises(InvalidRecord) as caught:
        await record(desk, kind, "new-1", document, OPS)
    assert [error.field for error in caught.value.errors] == fields
    assert directory.recorded == []


async def test_a_site_of_another_organisation_is_no_site(desk):
    with pytest.raises(InvalidRecord):
        await record(desk, "persons", "p-9", PERSON, Actor("hr", "globex", frozenset({"hr"})))


async def test_a_site_needs_its_organisation(desk, directory):
    """Nobody would notice: its days would wait for a time zone, and its devices be of nobody's."""
    actor, site = Actor("ops", "globex", frozenset({"ops", "hr"})), {"name": "x", "time_zone": "UTC"}
    with pytest.raises(InvalidRecord, match="globex") as caught:
        await record(desk, "sites", "first", site, actor)
    assert errors_of(caught) == [(None, "org_id")]
    with pytest.raises(InvalidRecord) as of_file:
        await import_documents(KINDS["sites"], b"site_id,name,time_zone\nfirst,x,UTC\n", actor, desk)
    assert errors_of(of_file) == [(2, "org_id")]
    assert directory.recorded == []
    await record(desk, "organisations", "globex", site, actor)
    await record(desk, "sites", "first", site, actor)


async def test_two_organisations_use_the_same_ids_and_never_notice(desk, directory):
    """Every kind under an id of acme, with badges, by globex; then acme still has its own."""
    globex = Actor("ops", "globex", frozenset({"ops", "hr"}))
    site = {"name": "x", "time_zone": "UTC"}
    documents = {
        "organisations": site,
        "sites": site,
        "shifts": SHIFT,
        "persons": PERSON | {"home_site_id": "same", "badge": "B-1", "default_shift_id": "same"},
        "devices": {"site_id": "same", "name": "x", "kind": "KIOSK"},
        "rosters": ROSTER | {"person_id": "same", "shift_id": "same"},
        "holidays": HOLIDAY | {"site_id": "same"},
        "leaves": LEAVE | {"person_id": "same"},
        "policies": POLICY | {"site_id": "same"},
    }
    assert set(documents) == set(KINDS)
    both = Actor("ops", "acme", frozenset({"ops", "hr"}))
    for kind, document in documents.items():
        for actor in (both, globex):
            identity = actor.org_id if kind == "organisations" else "same"
            await record(desk, kind, identity, document, actor)
    for org_id in ("acme", "globex"):
        assert directory.view.person_with_badge(org_id, "B-1").org_id == org_id
        assert directory.view.device(org_id, "same").org_id == org_id
    for kind in KINDS.values():
        if kind.can_be_taken_back:
            version = date.fromisoformat("2026-01-01") if kind.has_versions else None
            await take_back(kind, "same", version, globex, desk)
            with pytest.raises(NotRecorded):
                await take_back(kind, "same", version, globex, desk)
            assert kind.key_of("acme", "same", version) in directory.view.records
    assert directory.view.has_shift("acme", "same")
    assert not directory.view.has_shift("globex", "same")


@pytest.mark.parametrize(
    ("kind", "identity", "document", "actor"),
    [
        (
            "persons",
            "p-2",
            PERSON,
            Actor("s", "acme", frozenset({"supervisor", "analyst", "auditor", "device"})),
        ),
        ("devices", "gate-3", {"site_id": "pune", "name": "x", "kind": "KIOSK"}, HR),
        ("organisations", "acme", {"name": "x", "time_zone": "UTC"}, HR),
        ("organisations", "globex", {"name": "x", "time_zone": "UTC"}, OPS),
        ("persons", "p-2", PERSON, Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"}))),
        ("shifts", "day", SHIFT, Actor("hr", "acme", frozenset({"hr"}), frozenset({"pune"}))),
        ("holidays", "h-1", HOLIDAY, Actor("hr", "acme", frozenset({"hr"}), frozenset({"pune"}))),
        ("policies", "y-1", POLICY, Actor("hr", "acme", frozenset({"hr"}), frozenset({"pune"}))),
        ("leaves", "l-1", LEAVE, Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"}))),
        ("rosters", "r-1", ROSTER, Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"}))),
        (
            "persons",
            "p-1",
            PERSON | {"home_site_id": "delhi"},
            Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"})),
        ),
    ],
)
async def test_others_may_not_record(desk, directory, kind, identity, document, actor):
    with pytest.raises(Forbidden):
        await record(desk, kind, identity, document, actor)
    assert directory.recorded == []


@pytest.mark.parametrize(
    ("kind", "document", "field"),
    [
        ("sites", {"name": "x", "time_zone": "Mars/Olympus"}, "time_zone"),
        ("sites", {"name": "x", "time_zone": "Asia/Poona"}, "time_zone"),
        ("sites", {"name": "x", "time_zone": "../../etc/passwd"}, "time_zone"),
        ("sites", {"name": "  ", "time_zone": "UTC"}, "name"),
        ("sites", {"name": "x", "time_zone": "UTC", "zone": "UTC"}, "zone"),
        (
            "sites",
            {"name": "x", "time_zone": "UTC", "identification_scope": "planet"},
            "identification_scope",
        ),
        ("persons", PERSON | {"joined_on": "02.03.2026"}, "joined_on"),
        ("persons", PERSON | {"joined_on": 20260302}, "joined_on"),
        ("persons", PERSON | {"joined_on": "2026-02-30"}, "joined_on"),
        ("persons", PERSON | {"badge": " "}, "badge"),
        ("persons", PERSON | {"home_site_id": "a:b"}, "home_site_id"),
        ("persons", PERSON | {"joined_on": "2026-02-02", "left_on": "2026-02-01"}, ""),
        ("shifts", SHIFT | {"start": "8:00"}, "start"),
        ("shifts", SHIFT | {"start": "24:00"}, "start"),
        ("shifts", SHIFT | {"start": "08:00:30"}, "start"),
        ("shifts", {name: value for name, value in SHIFT.items() if name != "effective_on"}, "effective_on"),
        ("shifts", SHIFT | {"late_grace_minutes": -1}, "late_grace_minutes"),
        ("shifts", SHIFT | {"half_day_below_minutes": 60, "absent_below_minutes": 90}, ""),
        ("shifts", SHIFT | {"pairing": "random"}, "pairing"),
        ("rosters", ROSTER | {"weekdays": ["MON", "FUNDAY"]}, "weekdays.1"),
        ("rosters", ROSTER | {"ends_on": "2025-12-31"}, ""),
        ("devices", {"site_id": "pune", "name": "x", "kind": "TOASTER"}, "kind"),
        ("devices", DEVICE | {"image_turn_degrees": 45}, "image_turn_degrees"),
        ("devices", DEVICE | {"image_turn_degrees": -90}, "image_turn_degrees"),
        ("devices", DEVICE | {"image_turn_degrees": "90"}, "image_turn_degrees"),
        ("devices", DEVICE | {"image_turn_degrees": False}, "image_turn_degrees"),
        ("shifts", SHIFT | {"absent_below_minutes": 0}, "absent_below_minutes"),
        ("shifts", SHIFT | {"rounding": "sideways"}, "rounding"),
        ("shifts", SHIFT | {"rounding": "up", "rounding_minutes": 0}, "rounding_minutes"),
        ("shifts", SHIFT | {"overtime_cap_minutes": -1}, "overtime_cap_minutes"),
        ("rosters", ROSTER | {"rotation_length": 4}, ""),
        ("rosters", ROSTER | {"rotation_days": [1]}, ""),
        ("rosters", ROSTER | ROTATION | {"rotation_days": [5]}, ""),
        ("rosters", ROSTER | ROTATION | {"weekdays": ["MON"]}, ""),
        ("rosters", ROSTER | ROTATION | {"rotation_length": 367}, "rotation_length"),
        ("holidays", HOLIDAY | {"holiday_on": "1999-12-31"}, "holiday_on"),
        ("leaves", LEAVE | {"ends_on": "2026-03-01"}, ""),
        ("leaves", LEAVE | {"ends_on": "2027-03-05"}, ""),
        ("leaves", LEAVE | {"part": "most"}, "part"),
        ("policies", POLICY | {"weekly_offs": ["someday"]}, "weekly_offs.0"),
        ("policies", POLICY | {"flexible_day_start": "5"}, "flexible_day_start"),
        ("policies", POLICY | {"effective_on": "2200-01-01"}, "effective_on"),
    ],
)
def test_documents_are_checked_for_their_form(kind, document, field):
    with pytest.raises(ValidationError) as caught:
        KINDS[kind].document.model_validate(document)
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [field]


def test_documents_give_events_that_fit_their_schema(now, new_capture_id):
    documents = {
        "organisations": {"name": "x", "time_zone": "Asia/Kolkata"},
        "sites": {"name": "x", "time_zone": "America/New_York"},
        "devices": DEVICE | {"revoked": True, "image_turn_degrees": 270},
        "persons": PERSON | {"left_on": "2026-12-31", "default_shift_id": "day"},
        "shifts": SHIFT
        | {"time_zone": "UTC", "start": "22:00:00", "end": "06:00", "half_day_below_minutes": 240},
        "rosters": ROSTER | {"weekdays": ["fri", "MON", "MON"], "ends_on": "2026-01-31"},
        "holidays": HOLIDAY,
        "leaves": LEAVE | {"part": "half"},
        "policies": POLICY | {"weekly_offs": ["sun"], "flexible_day_start": "05:00", "site_id": "pune"},
    }
    assert set(documents) == set(KINDS)
    for path, document in documents.items():
        kind = KINDS[path]
        event = kind.to_event(
            "new-1", kind.document.model_validate(document), org_id="acme", event_id=new_capture_id(), at=now
        )
        assert encode_body(event)
        assert is_directory_event(event)
        if isinstance(event, RosterRecorded):
            assert event.weekdays == (Weekday.MON, Weekday.FRI)


async def test_a_file_says_by_how_much_images_are_turned(desk, directory):
    text = "device_id,site_id,name,kind,image_turn_degrees\ngate-4,pune,Ceiling,camera,180\n"
    await import_documents(KINDS["devices"], text.encode(), OPS, desk)
    assert [event.image_turn_degrees for event in directory.recorded] == [180]


async def test_a_file_is_recorded_in_order(desk, directory):
    text = (
        "\ufeffperson_id,display_name,home_site_id,badge,active,joined_on\r\n"
        'p-7,"Rao, Asha",pune,B-7,,2026-01-05\r\n'
        "p-8,Ravi,pune,,false,\r\n"
        "p-1,Asha Rao,pune,,,\r\n"
    )
    counts = await import_documents(KINDS["persons"], text.encode(), HR, desk)
    assert (counts.recorded, counts.unchanged) == (2, 1)
    assert [(event.person_id, event.display_name, event.active) for event in directory.recorded] == [
        ("p-7", "Rao, Asha", True),
        ("p-8", "Ravi", False),
    ]


async def test_weekdays_of_a_file_are_separated_by_spaces(desk, directory):
    await record(desk, "shifts", "day", SHIFT)
    text = "roster_id,person_id,shift_id,starts_on,weekdays\nr-1,p-1,day,2026-01-01,mon tue WED\n"
    await import_documents(KINDS["rosters"], text.encode(), HR, desk)
    assert directory.recorded[-1].weekdays == (Weekday.MON, Weekday.TUE, Weekday.WED)


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("", [(1, "person_id")]),
        ("person_id\np-7\n", [(1, "home_site_id"), (1, "display_name")]),
        ("person_id,home_site_id,display_name\n", [(1, "line")]),
        ("person_id,home_site_id,display_name,age\np-7,pune,x,3\n", [(1, "line")]),
        ("person_id,home_site_id,display_name,badge,badge\np-7,pune,x,a,b\n", [(1, "badge")]),
        (
            "person_id,home_site_id,display_name,joined_on\np 7,pune,x,\np-8,pune,,\np-9,pune,x,soon\n",
            [(2, "person_id"), (3, "display_name"), (4, "joined_on")],
        ),
        ("person_id,home_site_id,display_name\np-7,pune,x\np-8,pune,x\np-7,pune,y\n", [(4, "person_id")]),
        ("person_id,home_site_id,display_name\np-7,pune,x\np-8,delhi,x\n", [(3, "home_site_id")]),
        (
            "person_id,home_site_id,display_name,badge\np-7,pune,x,B-1\np-8,pune,x,\np-9,pune,x,B-1\n",
            [(4, "badge")],
        ),
        (
            "person_id,home_site_id,display_name\np-7,pune,x,more\np-8,pune,\n",
            [(2, "line"), (3, "display_name")],
        ),
        (
            "person_id,home_site_id,display_name,joined_on\np-7,pune,x,\n,,,\np-8,delhi,x,\n"
            "p-9,pune,x,5.1.2026\n",
            [(4, "home_site_id"), (5, "joined_on")],
        ),
        ('person_id,home_site_id,display_name\np-7,pune,"x\n', [(2, "line")]),
    ],
)
async def test_every_error_of_a_file_has_its_line_and_nothing_is_recorded(desk, directory, text, errors):
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["persons"], text.encode(), HR, desk)
    assert errors_of(caught) == errors
    assert directory.recorded == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("site_id,name,time_zone\na,x,UTC\nb,x,UTC\nc,x,UTC\n", "more than 2 records"),
        ("site_id,name,time_zone\na,x,UTC\n" + ",\n" * 8, "more than 2 records"),
        ('site_id,"name\n', "no CSV"),
    ],
)
def test_files_that_are_too_long_or_no_csv_are_refused(text, message):
    with pytest.raises(InvalidRecord, match=message):
        raise InvalidRecord(read_table(text.encode(), KINDS["sites"], maximum_rows=2).errors)


def test_a_header_of_a_million_columns_is_one_error():
    with pytest.raises(InvalidRecord) as caught:
        read_table(b"x," * 1_000_000, KINDS["persons"])
    [error] = caught.value.errors
    assert (error.line, error.field) == (1, "line")
    assert "line 1 has 2000000 characters, more than" in error.message
    with pytest.raises(InvalidRecord, match=f"no file of persons has more than {MAXIMUM_COLUMNS}"):
        read_table(b"x," * 1000, KINDS["persons"])


def test_a_column_with_an_endless_name_is_told_shortly():
    with pytest.raises(InvalidRecord) as caught:
        read_table(b"person_id," + b"x" * 100_000, KINDS["persons"])
    assert len(str(caught.value)) < 1_000


async def test_a_file_full_of_errors_tells_all_and_logs_few(desk):
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(
            KINDS["sites"], b"site_id,name,time_zone\n" + b"a,x,nowhere\n" * 5_000, HR, desk
        )
    assert len(caught.value.errors) == 5_000
    assert len(str(caught.value)) < 2_000
    assert str(caught.value).endswith("and 4995 more")


async def test_a_date_in_another_form_is_told_the_form(desk):
    text = b"person_id,home_site_id,display_name,joined_on\np-7,pune,x,5.1.2026\n"
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["persons"], text, HR, desk)
    [error] = caught.value.errors
    assert error.message == "'5.1.2026' is no date; write it as YYYY-MM-DD"


async def test_a_column_that_is_absent_changes_nothing_and_an_empty_cell_clears(desk, directory):
    await record(desk, "shifts", "day", SHIFT)
    full = PERSON | {"badge": "B-2", "joined_on": "2026-01-05", "default_shift_id": "day", "active": False}
    await record(desk, "persons", "p-2", full)
    await record(desk, "rosters", "r-1", ROSTER | {"weekdays": ["MON", "TUE"]})
    await import_documents(KINDS["persons"], b"person_id,display_name\np-2,Ravi K\n", HR, desk)
    person = directory.view.person("acme", "p-2")
    assert (person.display_name, person.badge, person.joined_on) == ("Ravi K", "B-2", date(2026, 1, 5))
    assert (person.home_site_id, person.default_shift_id, person.active) == ("pune", "day", False)
    await import_documents(KINDS["persons"], b"person_id,badge,joined_on\np-2,,\n", HR, desk)
    person = directory.view.person("acme", "p-2")
    assert (person.display_name, person.badge, person.joined_on) == ("Ravi K", None, None)
    await import_documents(KINDS["rosters"], b"roster_id,ends_on\nr-1,2026-02-01\n", HR, desk)
    roster = directory.recorded[-1]
    assert (roster.weekdays, roster.ends_on) == ((Weekday.MON, Weekday.TUE), date(2026, 2, 1))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_of_ids_only_changes_nothing_of_any_kind(desk, directory, kind):
    """Every field of every kind survives the way into a cell and back."""
    both = Actor("ops", "acme", frozenset({"ops", "hr"}))
    await record(desk, "shifts", "day", SHIFT, both)
    documents = {
        "organisations": {
            "name": "Acme",
            "time_zone": "UTC",
            "org_type": "school",
            "default_policy_on": "2026-01-05",
        },
        "sites": {"name": "Gate", "time_zone": "UTC", "identification_scope": "SITE"},
        "devices": {"site_id": "pune", "name": "x", "kind": "KIOSK", "revoked": True},
        "persons": PERSON
        | {"badge": "B-2", "left_on": "2026-01-05", "default_shift_id": "day", "active": False},
        "shifts": SHIFT
        | {"rounding": "UP", "late_grace_minutes": 0, "overtime_needs_approval": True, "break_minutes": 7},
        "rosters": ROSTER | ROTATION,
        "holidays": HOLIDAY | {"site_id": "pune"},
        "leaves": LEAVE | {"part": "half", "name": "annual"},
        "policies": POLICY
        | {"weekly_offs": ["sun"], "flexible_day_start": "05:00", "expects_attendance": False},
    }
    identity = "acme" if kind == "organisations" else "new-1"
    recorded = await record(desk, kind, identity, documents[kind], both)
    version = ",effective_on" if KINDS[kind].has_versions else ""
    cell = f",{recorded.effective_on}" if version else ""
    text = f"{KINDS[kind].id_field}{version}\n{identity}{cell}\n"
    counts = await import_documents(KINDS[kind], text.encode(), both, desk)
    assert (counts.recorded, counts.unchanged) == (0, 1)
    assert directory.recorded[-1] == recorded


async def test_a_record_that_changes_while_a_file_is_read_is_looked_at_again(desk, directory):
    await record(desk, "persons", "p-2", PERSON | {"badge": "B-2"})
    changed = replace(directory.recorded[-1], badge="B-3", event_id=uuid4())
    new_ids = 0

    def new_id():
        """Called for each line: after its record was looked up, another process changes it once."""
        nonlocal new_ids
        new_ids += 1
        if new_ids == 1:
            write = directory.view.write_of(changed)
            directory.view.apply(write.key, changed, version=write.version)
        return uuid4()

    other = DirectoryDesk(directory, desk.clock, new_id)
    await import_documents(KINDS["persons"], b"person_id,display_name\np-2,Ravi K\n", HR, other)
    person = directory.view.person("acme", "p-2")
    assert (person.display_name, person.badge) == ("Ravi K", "B-3")
    assert new_ids == 2


async def test_a_long_import_of_one_organisation_keeps_no_other_waiting(desk, directory):
    globex = Actor("ops", "globex", frozenset({"ops", "hr"}))
    async with desk.turns["acme"], asyncio.timeout(5):
        await record(desk, "organisations", "globex", {"name": "Globex", "time_zone": "UTC"}, globex)
        await record(desk, "sites", "same", {"name": "x", "time_zone": "UTC"}, globex)


async def test_a_file_in_another_encoding_is_refused(desk):
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(
            KINDS["persons"], "person_id,home_site_id,display_name\np-7,pune,Käte".encode("latin-1"), HR, desk
        )
    assert errors_of(caught) == [(2, "line")]


async def test_lines_about_other_sites_are_errors_of_the_file(desk):
    actor = Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"}))
    with pytest.raises(InvalidRecord) as caught:
        await import_documents(KINDS["sites"], b"site_id,name,time_zone\npune,x,UTC\n", actor, desk)
    assert errors_of(caught) == [(2, "site_id")]


async def test_an_outage_is_passed_on(desk, directory):
    directory.is_away = True
    with pytest.raises(TransientFailure):
        await record(desk, "persons", "p-2", PERSON)


async def test_another_process_was_first_so_it_is_done_again_by_what_is_recorded_then(desk, directory):
    directory.rivals = [
        replace(directory.view.person("acme", "p-1"), display_name="Asha K", event_id=uuid4())
    ]
    event = await record(desk, "persons", "p-1", PERSON)
    assert directory.view.person("acme", "p-1") == event
    assert directory.recorded == [event]
    assert event.display_name == "Ravi"


async def test_a_change_that_another_process_made_alike_is_not_made_twice(desk, directory):
    directory.rivals = [replace(directory.view.person("acme", "p-1"), display_name="Ravi", event_id=uuid4())]
    event = await record(desk, "persons", "p-1", PERSON)
    assert event.event_id == directory.view.person("acme", "p-1").event_id
    assert directory.recorded == []


async def test_what_another_process_moved_away_meanwhile_is_not_changed_by_those_of_the_old_site(
    desk, directory
):
    await record(desk, "sites", "delhi", {"name": "Delhi", "time_zone": "Asia/Kolkata"}, OPS)
    hr_of_pune = Actor("hr-2", "acme", frozenset({"hr"}), sites=frozenset({"pune"}))
    moved = replace(directory.view.person("acme", "p-1"), home_site_id="delhi", event_id=uuid4())
    directory.rivals = [moved]
    with pytest.raises(Forbidden):
        await record(desk, "persons", "p-1", PERSON, hr_of_pune)
    assert directory.view.person("acme", "p-1") == moved


async def test_somebody_who_is_never_first_is_asked_to_come_back(desk, directory):
    directory.rivals, directory.is_slow = [directory.view.person("acme", "p-1")], True
    with pytest.raises(TransientFailure, match="at this moment"):
        await record(desk, "persons", "p-1", PERSON)
    assert directory.recorded == []


async def test_lines_that_another_process_overtook_are_recorded_again_and_counted_once(desk, directory):
    directory.rivals = [
        replace(directory.view.person("acme", "p-1"), display_name="Asha K", event_id=uuid4())
    ]
    rows = b"person_id,home_site_id,display_name\np-1,pune,Asha B\np-2,pune,Usha Rao\np-3,pune,Ravi\n"
    counts = await import_documents(KINDS["persons"], rows, HR, desk)
    assert (counts.recorded, counts.unchanged) == (2, 1)
    assert directory.view.person("acme", "p-1").display_name == "Asha B"


async def test_taking_back_what_another_process_changed_at_the_same_moment_is_done_again(desk, directory):
    holiday = await record(desk, "holidays", "h-1", HOLIDAY)
    directory.rivals = [replace(holiday, name="Another", event_id=uuid4())]
    await take_back(KINDS["holidays"], "h-1", None, HR, desk)
    assert "acme:holiday:h-1" not in directory.view.records
    assert [event.name for event, _ in directory.taken_back] == ["Another"]


def test_a_tombstone_forgets(directory, desk):
    directory.view.apply("acme:device:gate-1", None)
    directory.view.apply("acme:device:never-there", None)
    assert directory.view.device("acme", "gate-1") is None


async def test_a_forgotten_shift_is_no_reference(directory, desk):
    await record(desk, "shifts", "day", SHIFT)
    assert directory.view.has_shift("acme", "day")
    [shift] = [each for each in directory.view.records.values() if isinstance(each, ShiftRecorded)]
    end = directory.view.end_of(shift, Authority(subject="hr-1", role="hr"))
    assert directory.view.apply(end.key, None, version=end.version)
    assert not directory.view.has_shift("acme", "day")


def test_golden_examples_fill_the_view():
    view = DirectoryView()
    for _, event, _ in golden_examples():
        if is_directory_event(event):
            view.apply(DIRECTORY.key_of(event).decode(), event)
    assert view.records


async def test_a_record_is_taken_back_once(desk, directory):
    await record(desk, "shifts", "day", SHIFT)
    await record(desk, "rosters", "r-1", ROSTER | ROTATION)
    assert directory.recorded[-1].rotation_days == (1, 2)
    await take_back(KINDS["rosters"], "r-1", None, HR, desk)
    assert "acme:roster:r-1" not in directory.view.records
    with pytest.raises(NotRecorded, match="acme:roster:r-1 is not recorded"):
        await take_back(KINDS["rosters"], "r-1", None, HR, desk)


async def test_one_version_is_taken_back(desk, directory):
    for effective_on in ("2026-01-01", "2026-06-01"):
        await record(desk, "policies", "plant", POLICY | {"effective_on": effective_on})
    await take_back(KINDS["policies"], "plant", date(2026, 6, 1), HR, desk)
    assert [key for key in directory.view.records if ":policy:" in key] == ["acme:policy:plant:2026-01-01"]


@pytest.mark.parametrize(
    ("actor", "error"),
    [
        (Actor("s", "acme", frozenset({"supervisor"})), Forbidden),
        (Actor("hr", "acme", frozenset({"hr"}), frozenset({"delhi"})), Forbidden),
        (Actor("hr", "globex", frozenset({"hr"})), NotRecorded),
    ],
)
async def test_others_may_not_take_back(desk, directory, actor, error):
    await record(desk, "leaves", "l-1", LEAVE)
    with pytest.raises(error):
        await take_back(KINDS["leaves"], "l-1", None, actor, desk)
    assert "acme:leave:l-1" in directory.view.records
