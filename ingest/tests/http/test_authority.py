"""Who may act on what: every fact says who acted, and what it names must be here and within reach."""

from uuid import UUID

import pytest
from structlog.testing import capture_logs

from attendance_schemas.events import Authority, PersonRecorded
from attendance_testing.fake_tokens import GATE, HR, bearer

NEW = "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0001"
NOWHERE = UUID(int=77)
OF_PUNE = bearer("foreman", "supervisor", sites=("pune",))
HR_OF_PUNE = bearer("hr-2", "hr", sites=("pune",))
# Field that names something, the path, and of which kinds it may be.
NAMING = {
    "capture_id": ("/v1/corrections/reviews", {"capture"}),
    "punch_id": ("/v1/corrections/voids", {"capture", "punch", "added"}),
    "voided_correction_id": ("/v1/corrections/voids", {"addition", "void"}),
    "lock_id": ("/v1/periods/reopenings", {"lock"}),
}
KINDS = ("capture", "punch", "addition", "added", "void", "review", "lock")


def document(field: str, named: UUID) -> dict[str, object]:
    if field == "lock_id":
        return {"reopening_id": NEW, "reason": "asked", field: str(named)}
    return {"correction_id": NEW, "reason": "asked", "person_id": "p-2", field: str(named)}


@pytest.fixture
async def theirs(remember_for) -> dict[str, UUID]:
    """What another organisation has accepted."""
    return await remember_for("globex")


@pytest.mark.parametrize("field", NAMING)
async def test_an_id_of_another_organisation_is_as_unknown_as_one_of_nobody(front, publisher, theirs, field):
    path, kinds = NAMING[field]
    for kind in kinds:
        answers = []
        for named in (theirs[kind], NOWHERE):
            response = await front.post(path, document(field, named), HR)
            assert (response.status_code, response.json()["type"]) == (404, "urn:problem:unknown-id")
            answers.append(response.json()["detail"].replace(str(named), "ID"))
        assert answers[0] == answers[1]
        assert "is not known here" in answers[0]
    assert publisher.published == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", NAMING)
async def test_an_id_of_another_kind_is_refused_and_says_what_it_is(front, publisher, accepted, field, kind):
    path, kinds = NAMING[field]
    response = await front.post(path, document(field, accepted[kind]), HR)
    if kind in kinds:
        assert (response.status_code, len(publisher.published)) == (202, 1)
        return
    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:other-kind")
    names = {"addition": "an addition", "added": "an addition"}
    assert f"{accepted[kind]} is {names.get(kind, 'a ' + kind)};" in response.json()["detail"]
    assert publisher.published == []


@pytest.mark.parametrize("field", NAMING)
async def test_what_is_at_another_site_is_out_of_reach(front, publisher, accepted, field):
    path, kinds = NAMING[field]
    headers = HR_OF_PUNE if field == "lock_id" else OF_PUNE
    for kind in kinds:
        response = await front.post(path, document(field, accepted[f"{kind} in delhi"]), headers)
        assert (response.status_code, response.json()["type"]) == (403, "urn:problem:forbidden"), kind
    assert publisher.published == []


async def test_within_reach_the_token_goes_with_the_fact(front, publisher, accepted):
    for field in ("capture_id", "punch_id"):
        named = document(field, accepted["capture"]) | {"correction_id": str(UUID(int=len(field)))}
        assert (await front.post(NAMING[field][0], named, OF_PUNE)).status_code == 202
    expected = Authority(subject="foreman", role="supervisor", sites=("pune",))
    assert [(event.authority, event.home_site_id) for _, event in publisher.published] == [
        (expected, "pune")
    ] * 2


async def test_a_void_names_whom_the_correction_is_about(front, publisher, accepted):
    for field, kind in (("punch_id", "added"), ("voided_correction_id", "addition")):
        response = await front.post(
            NAMING[field][0], document(field, accepted[kind]) | {"person_id": "p-1"}, HR
        )
        assert [error["field"] for error in response.json()["errors"]] == ["person_id"]
    assert publisher.published == []


async def test_the_punch_of_an_addition_can_be_voided_by_its_id(front, publisher):
    addition = {
        "correction_id": NEW,
        "reason": "asked",
        "person_id": "p-2",
        "punched_at": "2026-03-01T08:00Z",
    }
    assert (await front.post("/v1/corrections/additions", addition, HR)).status_code == 202
    ((_, added),) = publisher.published
    void = document("punch_id", added.punch_id) | {"correction_id": str(UUID(int=9))}
    assert (await front.post("/v1/corrections/voids", void, HR)).status_code == 202


@pytest.mark.parametrize(
    ("path", "changes", "headers", "status"),
    [
        ("additions", {"site_id": "delhi"}, OF_PUNE, 403),
        ("additions", {"site_id": "pune"}, OF_PUNE, 202),
        ("additions", {"site_id": "delhi"}, HR, 422),
        ("overrides", {"shift_id": "nowhere"}, HR, 422),
    ],
)
async def test_what_a_correction_names_in_the_directory_is_recorded_and_within_reach(
    front, path, changes, headers, status
):
    parts = {
        "additions": {"punched_at": "2026-03-01T08:00Z"},
        "overrides": {"attendance_on": "2026-03-01", "status": "leave"},
    }
    fields = {"correction_id": NEW, "reason": "asked", "person_id": "p-2"} | parts[path] | changes
    assert (await front.post(f"/v1/corrections/{path}", fields, headers)).status_code == status


async def test_a_supervised_punch_is_at_a_recorded_site(front, punch_document):
    document = punch_document | {"person_id": "p-2", "reason": "asked", "site_id": "delhi"}
    assert (await front.post("/v1/punches/supervised", document, HR)).status_code == 422
    assert (await front.post("/v1/punches/supervised", document, OF_PUNE)).status_code == 403
    assert (
        await front.post("/v1/punches/supervised", document | {"site_id": "pune"}, OF_PUNE)
    ).status_code == 202


@pytest.fixture
def punch_document(new_capture_id, now) -> dict[str, object]:
    return {"punch_id": str(new_capture_id()), "captured_at": now.isoformat(), "device_now": now.isoformat()}


@pytest.mark.parametrize("captured_at", ["1970-01-01T00:00:00Z", "2025-12-01T00:00:00Z"])
async def test_a_device_speaks_of_the_last_two_months_only(
    front, publisher, punch_document, captured_at, now
):
    """Its own clock says so, and is right now: nothing tells when it happened."""
    document = punch_document | {"device_sequence": 1, "method": "badge", "badge": "B-7"}
    response = await front.post("/v1/punches", document | {"captured_at": captured_at}, GATE)
    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:too-long-ago")
    assert "set the clock" in response.json()["detail"]
    assert publisher.published == []
    in_time = document | {"captured_at": "2026-01-05T00:00:00Z"}
    assert (await front.post("/v1/punches", in_time, GATE)).status_code == 202


async def test_what_was_accepted_in_time_is_accepted_again_whenever_it_is_sent(
    front, publisher, punch_document, clock
):
    document = punch_document | {"device_sequence": 1, "method": "badge", "badge": "B-7"}
    first = await front.post("/v1/punches", document, GATE)
    clock.advance(days=100)
    again = await front.post("/v1/punches", document | {"device_now": None}, GATE)
    assert (again.status_code, again.json()["received_at"]) == (202, first.json()["received_at"])
    assert publisher.published[0] == publisher.published[1]


async def test_a_directory_record_says_who_made_it_and_a_line_does_too(front, directory):
    person = {"home_site_id": "pune", "display_name": "Ravi Kumar"}
    with capture_logs() as lines:
        for _ in range(2):
            response = await front.client.put("/v1/directory/persons/p-9", headers=HR_OF_PUNE, json=person)
            assert response.status_code == 200
    (event,) = directory.recorded
    assert isinstance(event, PersonRecorded)
    assert event.authority == Authority(subject="hr-2", role="hr", sites=("pune",))
    (line,) = [each for each in lines if each["event"] == "audit"]
    assert (line["action"], line["actor"], line["role"]) == ("record", "hr-2", "hr")
    assert (line["record"], line["event_id"]) == ("acme:person", str(event.event_id))
    assert "Ravi" not in str(lines)
    assert "p-9" not in str(lines)


async def test_the_same_record_by_somebody_else_changes_nothing(front, directory):
    person = {"home_site_id": "pune", "display_name": "Ravi Kumar"}
    for headers in (HR, HR_OF_PUNE):
        assert (await front.client.put("/v1/directory/persons/p-9", headers=headers, json=person)).is_success
    assert len(directory.recorded) == 1


async def test_a_removal_says_who_made_it_and_a_line_does_too(front, directory):
    leave = {"person_id": "p-2", "starts_on": "2026-03-02", "ends_on": "2026-03-03"}
    await front.client.put("/v1/directory/leaves/l-1", headers=HR, json=leave)
    with capture_logs() as lines:
        response = await front.client.delete("/v1/directory/leaves/l-1", headers=HR_OF_PUNE)
    assert response.status_code == 204
    ((_, authority),) = directory.taken_back
    assert authority == Authority(subject="hr-2", role="hr", sites=("pune",))
    (line,) = [each for each in lines if each["event"] == "audit"]
    assert (line["action"], line["actor"], line["record"]) == ("take-back", "hr-2", "acme:leave:l-1")


async def test_no_address_redirects_to_the_host_that_the_sender_names(front):
    response = await front.client.post("/v1/punches/", headers=GATE | {"Host": "evil.example"})
    assert (response.status_code, response.json()["type"]) == (404, "urn:problem:not-found")
