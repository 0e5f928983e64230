import json
from datetime import date

import pytest

from attendance_schemas.events import PeriodLocked, PeriodReopened
from attendance_schemas.topics import CORRECTIONS
from attendance_testing.fake_tokens import FOREMAN, GATE, HR, bearer

CORRECTION_ID = "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0001"
LOCK_ID = "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0011"


def lock(**changes: object) -> dict[str, object]:
    fields = {"lock_id": LOCK_ID, "starts_on": "2026-02-01", "ends_on": "2026-02-28", "reason": "payroll"}
    return fields | changes


def reopening(**changes: object) -> dict[str, object]:
    return {"reopening_id": CORRECTION_ID, "lock_id": LOCK_ID, "reason": "wrong calendar"} | changes


async def test_a_lock_says_who_when_and_why_and_a_resend_repeats_it(front, publisher, clock, now):
    response = await front.post("/v1/periods/locks", lock(), HR)
    assert (response.status_code, response.json()["made_by"]) == (202, "hr-1")
    ((topic, event),) = publisher.published
    assert (topic, type(event)) == (CORRECTIONS, PeriodLocked)
    assert (event.starts_on, event.ends_on, event.site_id) == (date(2026, 2, 1), date(2026, 2, 28), None)
    assert (event.authority.subject, event.authority.role) == ("hr-1", "hr")
    assert (event.reason, event.recorded_at) == ("payroll", now)
    clock.advance(hours=1)
    assert (await front.post("/v1/periods/locks", lock(), HR)).json() == response.json()
    assert publisher.published[1] == publisher.published[0]
    for changes in ({"reason": "another"}, {"site_id": "pune"}):
        other = await front.post("/v1/periods/locks", lock(**changes), HR)
        assert (other.status_code, other.json()["type"]) == (409, "urn:problem:id-in-use")


async def test_a_reopening_names_the_lock(front, publisher):
    assert (await front.post("/v1/periods/locks", lock(), HR)).status_code == 202
    assert (await front.post("/v1/periods/reopenings", reopening(), HR)).status_code == 202
    _, (topic, event) = publisher.published
    assert (topic, type(event), str(event.lock_id)) == (CORRECTIONS, PeriodReopened, LOCK_ID)
    # The key of both is the lock: they stay in order.
    assert CORRECTIONS.key_of(event) == f"acme:{LOCK_ID}".encode()
    assert (event.authority.subject, event.reason) == ("hr-1", "wrong calendar")


async def test_what_kafka_did_not_take_is_sent_again(front, publisher):
    publisher.is_away = True
    response = await front.post("/v1/periods/locks", lock(), HR)
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
    publisher.is_away = False
    assert (await front.post("/v1/periods/locks", lock(), HR)).status_code == 202
    assert len(publisher.published) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_on": "2026-01-31"}, "body"),
        ({"starts_on": "2025-11-27"}, "body"),  # 94 days
        ({"starts_on": "1999-01-01"}, "body.starts_on"),
        ({"reason": " "}, "body.reason"),
        ({"lock_id": "7"}, "body.lock_id"),
        ({"until": "2026-02-28"}, "body.until"),
        ({"site_id": "nowhere"}, "site_id"),
        # It is 08:01 on 2 March in India.
        ({"starts_on": "2026-03-01", "ends_on": "2026-03-02"}, "ends_on"),
    ],
)
async def test_wrong_locks_are_refused(front, publisher, changes, field):
    response = await front.post("/v1/periods/locks", lock(**changes), HR)
    assert (response.status_code, [each["field"] for each in response.json()["errors"]]) == (422, [field])
    assert publisher.published == []


async def test_a_period_of_93_days_that_ended_yesterday_can_be_locked(front):
    document = lock(starts_on="2025-11-29", ends_on="2026-03-01")
    assert (await front.post("/v1/periods/locks", document, HR)).status_code == 202


@pytest.mark.parametrize(
    ("path", "document", "headers", "status"),
    [
        ("locks", lock(), FOREMAN, 403),
        ("locks", lock(), GATE, 403),
        ("locks", lock(), bearer("hr-2", "hr", sites=("pune",)), 403),
        ("locks", lock(site_id="delhi"), bearer("hr-2", "hr", sites=("pune",)), 403),
        ("locks", lock(site_id="pune"), bearer("hr-2", "hr", sites=("pune",)), 202),
        ("reopenings", reopening(), FOREMAN, 403),
        ("reopenings", reopening(), bearer("hr-2", "hr", sites=("pune",)), 403),
        ("reopenings", reopening(lock_id=None), HR, 422),
    ],
)
async def test_payroll_is_closed_by_hr(front, publisher, path, document, headers, status):
    response = await front.post(f"/v1/periods/{path}", document, headers)
    assert response.status_code == status
    assert len(publisher.published) == (status == 202)


async def test_the_document_shows_both_requests(front):
    paths = (await front.client.get("/openapi.json")).json()["paths"]
    for path, example in (("locks", "2026-03-31"), ("reopenings", "payroll of March is paid")):
        assert example in json.dumps(paths[f"/v1/periods/{path}"])
