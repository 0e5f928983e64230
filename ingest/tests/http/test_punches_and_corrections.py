from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from attendance_schemas.events import (
    Authority,
    DayOverridden,
    PunchAdded,
    PunchMethod,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
    TimeTrust,
)
from attendance_schemas.topics import CORRECTIONS, DIRECTORY, PUNCHES
from attendance_testing.fake_tokens import FOREMAN, GATE, HR, bearer

CORRECTION_ID = "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0001"


@pytest.fixture
def punch(new_capture_id, now) -> dict[str, object]:
    at = now.isoformat()
    return {
        "punch_id": str(new_capture_id()),
        "device_sequence": 1,
        "method": "badge",
        "badge": "B-7",
        "captured_at": at,
        "device_now": at,
        "direction": "IN",
    }


def addition(now, **changes: object) -> dict[str, object]:
    at = (now - timedelta(hours=3)).isoformat()
    fields = {"correction_id": CORRECTION_ID, "person_id": "p-2", "punched_at": at, "reason": "reader broken"}
    return fields | changes


async def test_a_badge_punch_is_decided_kept_published_and_counted(front, punch, publisher, journal, now):
    response = await front.post("/v1/punches", punch, GATE)
    assert response.status_code == 202
    assert response.json()["device_sequence_acknowledged"] == 1
    assert journal.steps == ["put accepted", "publish", "count"]
    ((topic, event),) = publisher.published
    assert isinstance(event, PunchSubmitted)
    assert (topic, event.method, event.person_id, event.credential) == (
        PUNCHES,
        PunchMethod.BADGE,
        "p-2",
        "B-7",
    )
    assert (event.occurred_at, event.time_trust) == (now, TimeTrust.SYNCED)
    assert (event.device_id, event.site_id, event.home_site_id) == ("gate-1", "pune", None)
    assert event.authority == Authority(subject="gate-1", role="device", sites=("pune",))


async def test_an_accepted_punch_is_a_line_without_badge_or_person(front, punch):
    with capture_logs() as lines:
        await front.post("/v1/punches", punch, GATE)
    (line,) = lines
    assert (line["event"], line["punch_id"], line["device_id"]) == (
        "punch accepted",
        punch["punch_id"],
        "gate-1",
    )
    assert not {"B-7", "p-2"} & set(map(str, line.values()))


async def test_what_an_outage_refuses_names_what_is_away(front, punch, publisher):
    publisher.is_away = True
    with capture_logs() as lines:
        assert (await front.post("/v1/punches", punch, GATE)).status_code == 503
    assert [(line["event"], line["dependency"]) for line in lines] == [("refused", "kafka")]


async def test_a_resend_gives_the_same_event_whatever_has_changed(front, punch, publisher, directory, clock):
    first = await front.post("/v1/punches", punch, GATE)
    clock.advance(days=2)
    holder = directory.view.person("acme", "p-2")
    directory.view.apply(DIRECTORY.key_of(holder).decode(), None)
    again = await front.post("/v1/punches", punch | {"device_now": clock.now.isoformat()}, GATE)
    assert again.json() == first.json()
    assert publisher.published[0] == publisher.published[1]
    other = await front.post("/v1/punches", punch | {"badge": "B-8"}, GATE)
    assert (other.status_code, other.json()["type"]) == (409, "urn:problem:id-in-use")


async def test_punches_from_before_a_badge_was_handed_over_are_the_old_holders(
    front, punch, publisher, directory, clock, new_capture_id
):
    """The kiosk was offline: its punches arrive after the badge has gone from p-2 to p-1."""
    shown_at = clock()
    for number, (person_id, badge) in enumerate((("p-2", None), ("p-1", "B-7")), start=1):
        clock.advance(hours=number)
        holder = directory.view.person("acme", person_id)
        document = {"home_site_id": holder.home_site_id, "display_name": "x", "badge": badge}
        answer = await front.client.put(f"/v1/directory/persons/{person_id}", headers=HR, json=document)
        assert answer.status_code == 200, answer.text
    clock.advance(hours=1)
    for sequence, at in enumerate((shown_at, shown_at + timedelta(hours=3, minutes=30)), start=1):
        late = {"punch_id": str(new_capture_id()), "captured_at": at.isoformat(), "device_sequence": sequence}
        answer = await front.post("/v1/punches", punch | late | {"device_now": clock().isoformat()}, GATE)
        assert answer.status_code == 202, answer.text
    assert [event.person_id for _, event in publisher.published] == ["p-2", "p-1"]


async def test_time_trust_is_that_of_captures(front, punch, publisher, now):
    wrong = (now - timedelta(days=30)).isoformat()
    await front.post("/v1/punches", punch | {"captured_at": wrong, "device_now": wrong}, GATE)
    assert publisher.published[0][1].time_trust is TimeTrust.ESTIMATED
    assert publisher.published[0][1].occurred_at == now


async def test_what_nobody_has_is_kept(front, punch, publisher):
    assert (await front.post("/v1/punches", punch | {"badge": "B-9"}, GATE)).status_code == 202
    assert (publisher.published[0][1].person_id, publisher.published[0][1].credential) == (None, "B-9")


async def test_a_punch_that_kafka_did_not_take_is_sent_again(front, punch, publisher):
    publisher.is_away = True
    response = await front.post("/v1/punches", punch, GATE)
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
    publisher.is_away = False
    assert (await front.post("/v1/punches", punch, GATE)).status_code == 202
    assert len(publisher.published) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"punch_id": "6b1f7f0e-3c55-4a3a-8a53-6f6c1d1f5e11"}, "body.punch_id"),
        ({"method": "face"}, "body.method"),
        ({"badge": None}, "body"),
        ({"person_id": "p-2"}, "body"),
        ({"method": "pin"}, "body"),
        ({"device_sequence": 0}, "body.device_sequence"),
        ({"direction": "in"}, "body.direction"),
        ({"captured_at": "2026-03-02T08:00"}, "body.captured_at"),
    ],
)
async def test_wrong_punches_are_refused(front, punch, publisher, changes, field):
    response = await front.post("/v1/punches", punch | changes, GATE)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert publisher.published == []


async def test_a_supervisor_punches_for_a_person(front, punch, publisher):
    document = {key: punch[key] for key in ("punch_id", "captured_at", "device_now", "direction")}
    document |= {"person_id": "p-2", "reason": "reader broken"}
    assert (await front.post("/v1/punches/supervised", document, FOREMAN)).status_code == 202
    event = publisher.published[0][1]
    assert (event.method, event.person_id, event.home_site_id) == (PunchMethod.SUPERVISOR, "p-2", "pune")
    assert event.authority == Authority(subject="foreman", role="supervisor")
    assert (event.reason, event.site_id, event.device_id) == ("reader broken", "pune", None)
    for headers, changes, status in (
        (bearer("analyst", "analyst"), {}, 403),
        (bearer("foreman", "supervisor", sites=("delhi",)), {}, 403),
        (bearer("foreman", "supervisor", sites=("pune",)), {"site_id": "delhi"}, 403),
        (FOREMAN, {"person_id": "p-99"}, 404),
        (FOREMAN, {"reason": " "}, 422),
    ):
        response = await front.post("/v1/punches/supervised", document | changes, headers)
        assert response.status_code == status
    assert len(publisher.published) == 1


@pytest.mark.parametrize(
    ("path", "document", "event_type"),
    [
        ("voids", {"person_id": "p-2", "punch_id": "capture"}, PunchVoided),
        ("voids", {"person_id": "p-2", "punch_id": "punch"}, PunchVoided),
        ("voids", {"person_id": "p-2", "punch_id": "added"}, PunchVoided),
        ("voids", {"person_id": "p-2", "voided_correction_id": "addition"}, PunchVoided),
        ("voids", {"person_id": "p-2", "voided_correction_id": "void"}, PunchVoided),
        ("overrides", {"person_id": "p-2", "attendance_on": "2026-03-02", "status": "leave"}, DayOverridden),
        ("reviews", {"person_id": "p-2", "capture_id": "capture"}, ReviewDecided),
        ("reviews", {"capture_id": "capture"}, ReviewDecided),
    ],
)
async def test_corrections_say_who_when_and_why(
    front, publisher, accepted, clock, now, path, document, event_type
):
    document = {name: str(accepted.get(value, value)) for name, value in document.items()}
    document |= {"correction_id": CORRECTION_ID, "reason": "asked"}
    response = await front.post(f"/v1/corrections/{path}", document, HR)
    assert response.status_code == 202
    assert response.json()["made_by"] == "hr-1"
    ((topic, event),) = publisher.published
    assert (topic, type(event)) == (CORRECTIONS, event_type)
    assert (event.authority.subject, event.authority.role) == ("hr-1", "hr")
    assert (event.reason, event.recorded_at) == ("asked", now)
    assert event.home_site_id == ("pune" if event.person_id else None)
    clock.advance(hours=1)
    assert (await front.post(f"/v1/corrections/{path}", document, HR)).json() == response.json()
    assert publisher.published[1] == publisher.published[0]
    other = await front.post(f"/v1/corrections/{path}", document | {"reason": "another"}, HR)
    assert other.status_code == 409


async def test_an_added_punch_has_its_own_instant_and_a_lasting_id(front, publisher, now, accepted):
    for _ in range(2):
        assert (await front.post("/v1/corrections/additions", addition(now), FOREMAN)).status_code == 202
    first, again = (event for _, event in publisher.published)
    assert isinstance(first, PunchAdded)
    assert first == again
    assert (first.occurred_at, first.recorded_at) == (now - timedelta(hours=3), now)
    # Another kind under the same id is other content.
    void = {
        "correction_id": CORRECTION_ID,
        "reason": "asked",
        "person_id": "p-2",
        "punch_id": str(accepted["punch"]),
    }
    assert (await front.post("/v1/corrections/voids", void, FOREMAN)).status_code == 409


@pytest.mark.parametrize(
    ("path", "changes", "status"),
    [
        ("additions", {"punched_at": "2026-03-03T00:00:00Z"}, 422),
        ("additions", {"punched_at": "1999-03-03T00:00:00Z"}, 422),
        ("additions", {"person_id": "p-99"}, 404),
        ("additions", {"reason": ""}, 422),
        ("additions", {"reason": "nul \x00"}, 422),
        ("additions", {"approved": True}, 422),
        ("additions", {"direction": "out"}, 422),
    ],
)
async def test_wrong_corrections_are_refused(front, publisher, now, path, changes, status):
    response = await front.post(f"/v1/corrections/{path}", addition(now, **changes), HR)
    assert response.status_code == status
    assert publisher.published == []


@pytest.mark.parametrize(
    ("document", "headers", "status"),
    [
        ({"status": "PENDING"}, HR, 422),
        ({"worked_minutes": 1441}, HR, 422),
        ({"first_in_at": "2026-03-02T09:00:00Z", "last_out_at": "2026-03-02T08:00:00Z"}, HR, 422),
        ({}, bearer("a", "analyst"), 403),
        ({}, bearer("gate-1", "device"), 403),
        ({}, bearer("foreman", "supervisor", sites=("delhi",)), 403),
    ],
)
async def test_wrong_overrides_are_refused(front, publisher, document, headers, status):
    right = {"correction_id": CORRECTION_ID, "reason": "asked", "person_id": "p-2"}
    right |= {"attendance_on": "2026-03-02", "status": "LEAVE"}
    assert (await front.post("/v1/corrections/overrides", right | document, headers)).status_code == status
    assert publisher.published == []


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"status": "PRESENT", "worked_minutes": 480}, "shift_id"),
        ({"status": "PRESENT", "first_in_at": "2026-03-02T08:00:00Z"}, "shift_id"),
        ({"status": "PRESENT", "worked_minutes": 480, "shift_id": "day"}, None),
        ({"status": "PRESENT", "worked_minutes": 480, "attendance_on": "2026-03-03"}, None),
        ({"status": "LEAVE"}, None),
        ({"status": "PRESENT", "worked_minutes": 60, "overtime_minutes": 600}, "line"),
        ({"status": "ABSENT", "worked_minutes": 480}, "line"),
    ],
)
async def test_the_minutes_of_an_override_are_of_one_shift_and_agree(front, publisher, document, field):
    """On 2 March p-2 works a split shift: minutes without a shift would count twice."""
    for shift_id, start in (("day", "08:00"), ("late", "18:00")):
        shift = {"effective_on": "2026-01-01", "name": "x", "start": start, "end": "22:00"}
        await front.client.put(f"/v1/directory/shifts/{shift_id}", headers=HR, json=shift)
        entry = {"person_id": "p-2", "shift_id": shift_id, "starts_on": "2026-03-02", "in_addition": True}
        entry["ends_on"] = "2026-03-02" if shift_id == "late" else None
        answer = await front.client.put(f"/v1/directory/rosters/{shift_id}", headers=HR, json=entry)
        assert answer.status_code == 200, answer.text
    right = {"correction_id": CORRECTION_ID, "reason": "asked", "person_id": "p-2"}
    right |= {"attendance_on": "2026-03-02"}
    answer = await front.post("/v1/corrections/overrides", right | document, HR)
    assert answer.status_code == (202 if field is None else 422), answer.text
    if field == "shift_id":
        [error] = answer.json()["errors"]
        assert (error["field"], "day and late on 2026-03-02" in error["message"]) == ("shift_id", True)
    assert len(publisher.published) == (field is None)


async def test_a_day_is_overridden_up_to_400_days_ahead(front, now):
    document = {"reason": "asked", "person_id": "p-2", "status": "LEAVE"}
    answers = []
    for number, days in enumerate((400, 401)):
        on = now.date() + timedelta(days=days)
        document |= {"correction_id": str(UUID(int=number)), "attendance_on": str(on)}
        answers.append(await front.post("/v1/corrections/overrides", document, HR))
    assert [each.status_code for each in answers] == [202, 422]
    assert answers[1].json()["errors"][0]["field"] == "attendance_on"


async def test_that_a_capture_shows_nobody_takes_a_token_for_all_sites(front, publisher, accepted):
    document = {"correction_id": CORRECTION_ID, "reason": "a poster", "capture_id": str(accepted["capture"])}
    refused = await front.post(
        "/v1/corrections/reviews", document, bearer("f", "supervisor", sites=("pune",))
    )
    assert refused.status_code == 403
    assert (await front.post("/v1/corrections/reviews", document, FOREMAN)).status_code == 202


async def test_a_badge_is_of_one_person(front):
    person = {"home_site_id": "pune", "display_name": "Ravi", "badge": "B-7"}
    response = await front.client.put("/v1/directory/persons/p-3", headers=HR, json=person)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "badge")
    moved = {"home_site_id": "pune", "display_name": "Binod"}
    assert (await front.client.put("/v1/directory/persons/p-2", headers=HR, json=moved)).status_code == 200
    assert (await front.client.put("/v1/directory/persons/p-3", headers=HR, json=person)).status_code == 200


async def test_a_badge_that_another_process_gave_at_the_same_time_is_refused(front, directory):
    """The other process was first on the topic; ours says there what counts: a person without a badge."""
    holder = directory.view.person("acme", "p-2")
    person = {"home_site_id": "pune", "display_name": "Ravi", "badge": "B-8"}
    directory.rivals.append(msgspec.structs.replace(holder, badge="B-8"))
    response = await front.client.put("/v1/directory/persons/p-3", headers=HR, json=person)
    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:badge-in-use")
    assert "p-3 (badge B-8)" in response.json()["detail"]
    assert directory.view.person_with_badge("acme", "B-8").person_id == "p-2"
    assert [event.badge for event in directory.recorded] == ["B-8", None]
    assert directory.view.person("acme", "p-3").badge is None


async def test_a_file_that_lost_badges_to_another_process_says_whose(front, directory):
    holder = directory.view.person("acme", "p-2")
    directory.rivals.append(msgspec.structs.replace(holder, badge="B-8"))
    text = "person_id,home_site_id,display_name,badge\np-3,pune,Ravi,B-8\np-4,pune,Rita,B-9\n"
    headers = HR | {"Content-Type": "text/csv"}
    response = await front.client.post("/v1/directory/persons/import", headers=headers, content=text)
    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:badge-in-use")
    assert "p-3 (badge B-8)" in response.json()["detail"]
    assert "p-4" not in response.json()["detail"]
    assert directory.view.person_with_badge("acme", "B-9").person_id == "p-4"


async def test_a_lost_badge_that_was_not_said_yet_is_said_by_the_resend(front, directory):
    """ingest died after its record came second: the resend finds it in force, without the badge."""
    lost = msgspec.structs.replace(
        directory.view.person("acme", "p-2"), person_id="p-3", event_id=UUID(int=77)
    )
    directory.view.apply(DIRECTORY.key_of(lost).decode(), lost)
    person = {"home_site_id": "pune", "display_name": lost.display_name, "badge": "B-7"}
    response = await front.client.put("/v1/directory/persons/p-3", headers=HR, json=person)
    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:badge-in-use")
    assert directory.view.person("acme", "p-3").badge is None
