"""What each route answers over the real read model."""

from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest

from attendance_schemas.events import AttendanceStatus
from local_stack.for_tests.databases import Database

pytestmark = pytest.mark.integration

MARCH = "from=2026-03-01&to=2026-03-31"
MARCH_INSTANTS = "from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z"
As = Callable[[str], dict[str, str]]


async def get(client: httpx.AsyncClient, route: str, headers: dict[str, str] | None = None) -> Any:
    response = await client.get(route, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def every_item(client: httpx.AsyncClient, route: str, name: str = "items") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    following: str | None = route
    while following:
        body = await get(client, following)
        items += body[name]
        following = body["next"]
    return items


@pytest.mark.parametrize("status", AttendanceStatus)
async def test_days_of_every_status_are_found(
    client: httpx.AsyncClient, read_database: Database, status: AttendanceStatus
) -> None:
    """Some by a column of their own, which has to name the same statuses as the query."""
    connection = await asyncpg.connect(read_database.url, ssl=False)
    try:
        await connection.execute("UPDATE attendance.attendance_day SET status = $1", status)
    finally:
        await connection.close()
    every_day = await get(client, f"/v1/attendance?{MARCH}")
    assert await get(client, f"/v1/attendance?{MARCH}&status={status}") == every_day
    assert len(every_day["items"]) == 5


async def test_attendance_has_names_zones_and_utc_instants(client: httpx.AsyncClient) -> None:
    items = (await get(client, f"/v1/attendance?{MARCH}"))["items"]
    assert [(day["attendance_on"], day["person_id"], day["shift_id"]) for day in items] == [
        ("2026-03-01", "p-1", "day"),
        ("2026-03-01", "p-2", "night"),
        ("2026-03-02", "p-1", "day"),
        ("2026-03-02", "p-1", "split"),
        ("2026-03-02", "p-2", "day"),
    ]
    assert items[2] == {
        "attendance_on": "2026-03-02",
        "person_id": "p-1",
        "display_name": "Asha Rao",
        "shift_id": "day",
        "site_id": "pune-1",
        "site_name": "Pune plant",
        "time_zone": "Asia/Kolkata",
        "status": "INCOMPLETE",
        "worked_minutes": 240,
        "first_in_at": "2026-03-02T02:30:00Z",
        "last_out_at": None,
        "late": True,
        "late_minutes": 7,
        "early": False,
        "early_minutes": 0,
        "break_minutes": 0,
        "overtime_minutes": 0,
        "missing": None,
        "open_since": "2026-03-02T02:30:00Z",
        "punch_count": 1,
        "locked": False,
    }


async def test_days_say_that_payroll_closed_their_period(client: httpx.AsyncClient) -> None:
    items = await every_item(client, "/v1/attendance?from=2026-01-01&to=2026-04-30")
    locked = [(day["attendance_on"], day["person_id"]) for day in items if day["locked"]]
    assert locked == [("2026-02-27", "p-1"), ("2026-02-28", "p-3"), ("2026-03-01", "p-1")]
    explained = await get(client, "/v1/people/p-1/attendance?from=2026-02-01&to=2026-03-02")
    assert [day["locked"] for day in explained["days"]] == [True, True, False, False]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_adjustments_come_by_the_date_on_which_they_are_booked(
    client: httpx.AsyncClient, limit: int
) -> None:
    items = await every_item(client, f"/v1/adjustments?from=2026-01-01&to=2026-04-30&limit={limit}")
    keys = [(each["booked_on"], each["person_id"], each["attendance_on"], each["shift_id"]) for each in items]
    assert keys == [
        ("2026-02-01", "p-1", "2026-01-27", "day"),
        ("2026-03-01", "p-2", "2026-02-26", "day"),
        ("2026-03-02", "p-1", "2026-02-27", "day"),
        ("2026-03-02", "p-1", "2026-02-27", "split"),
    ]
    assert [each["settled"] for each in items] == [True, False, False, False]
    assert items[0]["settled_by"].endswith("b1")
    assert {
        **{name: items[3][name] for name in ("display_name", "site_name", "time_zone", "status_from")},
        **{name: items[3][name] for name in ("status_to", "worked_minutes", "late_minutes", "explanation")},
    } == {
        **{"display_name": "Asha Rao", "site_name": "Pune plant", "time_zone": "Asia/Kolkata"},
        **{"status_from": "PRESENT", "status_to": None, "worked_minutes": -240, "late_minutes": -7},
        "explanation": [{"rule": "adjustment", "punch": None, "text": "acme"}],
    }


@pytest.mark.parametrize(("filters", "count"), [("site=goa-1", 1), ("person=p-1", 2), ("person=p-3", 0)])
async def test_adjustment_filters(client: httpx.AsyncClient, filters: str, count: int) -> None:
    assert len((await get(client, f"/v1/adjustments?{MARCH}&{filters}"))["items"]) == count


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_punches_of_no_shift_come_by_when_they_occurred(client: httpx.AsyncClient, limit: int) -> None:
    items = await every_item(client, f"/v1/unscheduled?{MARCH}&limit={limit}")
    assert [(each["punch_id"][-2:], each["occurred_on"], each["person_id"]) for each in items] == [
        ("83", "2026-03-02", "p-2"),
        ("81", "2026-03-02", "p-1"),
        ("82", "2026-03-03", "p-1"),
    ]
    names = ("display_name", "home_site_id", "home_site_name", "time_zone", "site_id", "device_id", "method")
    assert [items[1][name] for name in names] == [
        *("Asha Rao", "pune-1", "Pune plant", "Asia/Kolkata", "pune-1", "kiosk-3", "badge"),
    ]
    read = await get(client, "/v1/people/p-1/attendance?from=2026-03-02&to=2026-03-02")
    assert read["unscheduled"] == [items[1]]


@pytest.mark.parametrize(
    ("filters", "count"),
    [("site=goa-1", 1), ("person=p-1", 2), ("person=p-3", 0), ("person=p-1&site=goa-1", 0)],
)
async def test_filters_of_punches_of_no_shift(client: httpx.AsyncClient, filters: str, count: int) -> None:
    assert len((await get(client, f"/v1/unscheduled?{MARCH}&{filters}"))["items"]) == count
    one_date = "from=2026-03-03&to=2026-03-03"
    assert len((await get(client, f"/v1/unscheduled?{one_date}&{filters}"))["items"]) == (
        filters == "person=p-1"
    )


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_period_locks_come_by_their_first_date_with_what_became_of_them(
    client: httpx.AsyncClient, limit: int
) -> None:
    items = await every_item(client, f"/v1/period-locks?from=2026-01-31&to=2026-04-30&limit={limit}")
    assert [(each["lock_id"][-2:], each["site_id"], each["state"]) for each in items] == [
        ("b3", None, "REOPENED"),
        ("b1", None, "IN_FORCE"),
        ("b2", "pune-1", "IN_FORCE"),
        ("b4", None, "SEALED"),
        ("b5", "goa-1", "RECORDED"),
    ]
    assert items[0] | {"lock_id": ""} == {
        **{"lock_id": "", "site_id": None, "site_name": None, "state": "REOPENED", "person_count": 1},
        **{"starts_on": "2026-01-01", "ends_on": "2026-01-31", "locked_by": "hr of acme"},
        **{"locked_at": "2026-02-01T06:00:00Z", "reason": "asked for by Asha Rao", "reopened_by": "hr-2"},
        **{"reopened_at": "2026-03-05T00:00:00Z", "reopened_because": "wrong calendar"},
    }
    assert items[2]["site_name"] == "Pune plant"


@pytest.mark.parametrize(
    ("filters", "locks"),
    [
        ("from=2026-02-28&to=2026-02-28", ["b1"]),
        ("from=2026-04-01&to=2026-04-30", []),
        # A lock of the organisation covers every site.
        ("from=2026-03-01&to=2026-03-31&site=goa-1", ["b4", "b5"]),
    ],
)
async def test_period_lock_filters(client: httpx.AsyncClient, filters: str, locks: list[str]) -> None:
    items = (await get(client, f"/v1/period-locks?{filters}"))["items"]
    assert [each["lock_id"][-2:] for each in items] == locks


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_of_attendance_cover_every_row_once_across_months(
    client: httpx.AsyncClient, limit: int
) -> None:
    items = await every_item(client, f"/v1/attendance?from=2026-01-01&to=2026-04-30&limit={limit}")
    keys = [(day["attendance_on"], day["person_id"], day["shift_id"]) for day in items]
    assert len(keys) == 8
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ("site=goa-1", 2),
        ("person=p-1", 3),
        ("status=ABSENT", 1),
        ("site=goa-1&status=ABSENT", 0),
        ("person=p-9", 0),
    ],
)
async def test_attendance_filters(client: httpx.AsyncClient, filters: str, count: int) -> None:
    assert len((await get(client, f"/v1/attendance?{MARCH}&{filters}"))["items"]) == count


async def test_a_persons_attendance_is_explained(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/people/p-1/attendance?from=2026-02-01&to=2026-03-01")
    assert body["person"]["display_name"] == "Asha Rao"
    assert [day["attendance_on"] for day in body["days"]] == ["2026-02-27", "2026-03-01"]
    assert body["days"][0]["explanation"] == [{"rule": "status", "punch": None, "text": "acme"}]
    assert body["days"][0]["shift_effective_on"] == "2026-01-01"


async def test_presence_counts_people_once_and_forgets_after_16_hours(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/presence")
    assert body["at"] == "2026-03-02T12:00:00Z"
    assert body["present_count"] == 2
    assert body["sites"] == [
        {"site_id": "goa-1", "site_name": "Goa plant", "present_count": 1},
        {"site_id": "pune-1", "site_name": "Pune plant", "present_count": 1},
    ]
    assert [(one["person_id"], one["open_since"]) for one in body["people"]] == [
        ("p-1", "2026-03-02T03:30:00Z"),
        ("p-2", "2026-03-01T20:30:00Z"),
    ]
    assert [one["person_id"] for one in await every_item(client, "/v1/presence?limit=1", "people")] == [
        "p-1",
        "p-2",
    ]
    assert (await get(client, "/v1/presence?site=goa-1"))["present_count"] == 1


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_captures_come_newest_first_in_pages(client: httpx.AsyncClient, limit: int) -> None:
    route = f"/v1/captures?from=2026-01-01T00:00:00Z&to=2026-04-01T00:00:00Z&limit={limit}"
    assert [one["capture_id"][-1] for one in await every_item(client, route)] == ["2", "1", "3"]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ("outcome=UNKNOWN", "2"),
        ("site=pune-1", "1"),
        ("device=kiosk-4", "2"),
        ("person=p-1", "1"),
        ("person=p-2", ""),
    ],
)
async def test_capture_filters(client: httpx.AsyncClient, filters: str, ids: str) -> None:
    items = (await get(client, f"/v1/captures?{MARCH_INSTANTS}&{filters}"))["items"]
    assert "".join(one["capture_id"][-1] for one in items) == ids


async def test_a_capture_has_names_and_no_place_of_the_image(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000001")
    body = response.json()
    assert (body["outcome"], body["display_name"], body["site_name"]) == (
        "IDENTIFIED",
        "Asha Rao",
        "Pune plant",
    )
    assert body["recognition"]["score"] == 0.71
    assert "secret-key" not in response.text


async def test_a_capture_of_a_wrong_clock_is_found(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000004")
    assert body["occurred_at"] == "2025-09-20T02:30:00Z"


@pytest.mark.parametrize(("device", "slug"), [("kiosk-4", "unknown-device"), ("kiosk-5", "revoked-device")])
async def test_a_device_that_may_not_write_may_not_read(
    client: httpx.AsyncClient, as_caller: As, device: str, slug: str
) -> None:
    refused = await client.get("/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000002", headers=as_caller(device))
    assert (refused.status_code, refused.json()["type"]) == (403, f"urn:problem:{slug}")


async def test_a_device_reads_its_own_captures_only(client: httpx.AsyncClient, as_caller: As) -> None:
    own = await get(client, "/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000001", as_caller("kiosk-3"))
    assert (own["display_name"], own["recognition"]) == ("Asha Rao", None)
    other = await client.get(
        "/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000002", headers=as_caller("kiosk-3")
    )
    assert other.status_code == 404
    assert other.json()["type"] == "urn:problem:unknown-capture"


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ("", ["p-1", "p-2", "p-3"]),
        ("?q=ASHA", ["p-1"]),
        ("?q=B-78", ["p-3"]),
        ("?q=p-2", ["p-2"]),
        ("?q=%25", ["p-3"]),
        ("?q=_", []),
        ("?site=pune-1", ["p-1", "p-3"]),
    ],
)
async def test_people_are_found_by_what_is_typed(
    client: httpx.AsyncClient, filters: str, ids: list[str]
) -> None:
    assert [one["person_id"] for one in (await get(client, f"/v1/people{filters}"))["items"]] == ids


async def test_pages_of_people(client: httpx.AsyncClient) -> None:
    assert [one["person_id"] for one in await every_item(client, "/v1/people?limit=1")] == [
        "p-1",
        "p-2",
        "p-3",
    ]


async def test_an_enrolment_tells_about_each_photo(client: httpx.AsyncClient) -> None:
    body = await get(client, "/v1/enrolments/019cac8c-6d40-7c3a-9b1e-0000000000e1")
    assert (body["outcome"], body["display_name"], body["photos"][0]["accepted"]) == (
        "ENROLLED",
        "Asha Rao",
        True,
    )
    unknown = await client.get("/v1/enrolments/019cac8c-6d40-7c3a-9b1e-0000000000ff")
    assert unknown.json()["type"] == "urn:problem:unknown-enrolment"


async def test_readiness_asks_the_database(client: httpx.AsyncClient) -> None:
    assert (await get(client, "/health/ready"))["checks"] == {"database": "ok"}


async def test_the_organisation_has_its_type_and_the_policy_that_came_with_it(
    client: httpx.AsyncClient, as_caller: As
) -> None:
    acme = await get(client, "/v1/organisation")
    assert (acme["org_id"], acme["name"], acme["org_type"]) == ("acme", "Acme", "plant")
    assert acme["labels"]["person"]["one"] == "worker"
    assert acme["default_policy"]["weekly_offs"] == ["SUN"]
    assert acme["default_policy_on"] == "2026-01-05"
    other = await get(client, "/v1/organisation", as_caller("umbrella"))
    assert (other["org_id"], other["org_type"], other["default_policy"]) == ("umbrella", "company", None)


REFUSED = "/v1/refused-facts?from=2026-03-01T00:00:00Z&to=2026-03-31T00:00:00Z"


@pytest.mark.parametrize(
    ("caller", "kinds"),
    [
        ("hr", ["ReviewDecided", "MatchDecided"]),
        ("pune", ["ReviewDecided"]),
        ("nowhere", []),
        ("umbrella", ["ReviewDecided"]),
    ],
)
async def test_refused_facts_are_told_to_whom_they_concern(
    client: httpx.AsyncClient, as_caller: As, caller: str, kinds: list[str]
) -> None:
    page = await get(client, REFUSED, as_caller(caller))
    assert [each["kind"] for each in page["items"]] == kinds
    assert ("umbrella" in str(page)) == (caller == "umbrella")


async def test_pages_of_refused_facts(client: httpx.AsyncClient, as_caller: As) -> None:
    first = await get(client, f"{REFUSED}&limit=1", as_caller("hr"))
    second = await get(client, first["next"], as_caller("hr"))
    assert [page["items"][0]["kind"] for page in (first, second)] == ["ReviewDecided", "MatchDecided"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("caller", "slug"),
    [
        ("acme", "capture-refused"),
        ("kiosk-3", "capture-refused"),
        ("pune", "capture-refused"),
        ("nowhere", "unknown-capture"),
        ("umbrella", "unknown-capture"),
    ],
)
async def test_a_refused_capture_tells_why_to_who_may_see_it(
    client: httpx.AsyncClient, as_caller: As, caller: str, slug: str
) -> None:
    route = "/v1/captures/019cac8c-6d40-7c3a-9b1e-0000000000c1"
    response = await client.get(route, headers=as_caller(caller))
    assert (response.status_code, response.json()["type"]) == (404, f"urn:problem:{slug}")


ID = "019cac8c-6d40-7c3a-9b1e-0000000000"


@pytest.mark.parametrize(
    ("route", "caller", "slug"),
    [
        (f"/v1/captures/{ID}c3", "acme", "capture-waiting"),
        (f"/v1/captures/{ID}c3", "kiosk-3", "capture-waiting"),
        (f"/v1/captures/{ID}c3", "pune", "capture-waiting"),
        (f"/v1/captures/{ID}c3", "nowhere", "unknown-capture"),
        (f"/v1/captures/{ID}c3", "umbrella", "capture-dead-letter"),
        (f"/v1/captures/{ID}c4", "kiosk-3", "capture-dead-letter"),
        (f"/v1/captures/{ID}c4", "umbrella", "capture-waiting"),
        (f"/v1/enrolments/{ID}e3", "pune", "enrolment-waiting"),
        (f"/v1/enrolments/{ID}e4", "hr", "enrolment-dead-letter"),
        (f"/v1/enrolments/{ID}e4", "umbrella", "unknown-enrolment"),
        (f"/v1/punches/{ID}f4", "kiosk-3", "punch-refused"),
        (f"/v1/punches/{ID}f4", "hr", "punch-refused"),
        (f"/v1/punches/{ID}f4", "umbrella", "unknown-punch"),
        (f"/v1/punches/{ID}f2", "kiosk-3", "unknown-punch"),
        (f"/v1/corrections/{ID}d4", "pune", "correction-refused"),
        (f"/v1/corrections/{ID}d4", "nowhere", "unknown-correction"),
        (f"/v1/corrections/{ID}c2", "hr", "correction-refused"),
        (f"/v1/corrections/{ID}d1", "umbrella", "unknown-correction"),
        (f"/v1/erasures/{ID}a2", "pune", "unknown-erasure"),
        (f"/v1/erasures/{ID}a2", "umbrella", "unknown-erasure"),
    ],
)
async def test_every_fate_is_told_to_who_may_see_it(
    client: httpx.AsyncClient, as_caller: As, route: str, caller: str, slug: str
) -> None:
    response = await client.get(route, headers=as_caller(caller))
    assert (response.status_code, response.json()["type"]) == (404, f"urn:problem:{slug}")
    assert ("retry-after" in response.headers) == slug.endswith("waiting")


async def test_a_punch_says_where_it_counts(client: httpx.AsyncClient, as_caller: As) -> None:
    punch = await get(client, f"/v1/punches/{ID}f1")
    assert (punch["placement"], punch["placed_on"], punch["display_name"]) == (
        "DAY",
        "2026-03-02",
        "Asha Rao",
    )
    own = await get(client, f"/v1/punches/{ID}f1", as_caller("kiosk-3"))
    assert (own["placement"], own["person_id"], own["display_name"]) == ("DAY", None, None)
    assert (await get(client, f"/v1/punches/{ID}f2"))["placement"] == "PENDING"
    umbrella = await get(client, f"/v1/punches/{ID}f1", as_caller("umbrella"))
    assert (umbrella["method"], umbrella["placement"]) == ("pin", "REVIEW")


async def test_corrections_reviews_locks_and_reopenings_are_found_by_their_ids(
    client: httpx.AsyncClient, as_caller: As
) -> None:
    found = [await get(client, f"/v1/corrections/{ID}{each}") for each in ("d1", "d2", "b1", "dd")]
    assert [each["kind"] for each in found] == ["VOID", "REVIEW", "LOCK", "REOPENING"]
    assert (await get(client, f"/v1/corrections/{ID}d1", as_caller("pune")))["display_name"] == "Asha Rao"
    assert (await get(client, f"/v1/corrections/{ID}d2", as_caller("pune")))["made_by"] == "u-2"


async def test_an_erasure_has_a_state_and_the_enrolment_before_it_says_so(client: httpx.AsyncClient) -> None:
    done, waiting = [await get(client, f"/v1/erasures/{ID}{each}") for each in ("a1", "a2")]
    assert (done["state"], done["completed_at"]) == ("DONE", "2026-03-02T00:00:01Z")
    assert (waiting["state"], waiting["completed_at"]) == ("WAITING", None)
    assert (await get(client, f"/v1/enrolments/{ID}e1"))["erased_at"] == "2026-03-02T00:00:01Z"


async def test_a_decided_review_shows_and_leaves_the_queue(client: httpx.AsyncClient, as_caller: As) -> None:
    route = "/v1/captures/019c7813-1400-7c3a-9b1e-000000000003"
    capture = await get(client, route)
    assert (capture["outcome"], capture["person_id"]) == ("REVIEW", "p-3")
    assert (capture["review"]["person_id"], capture["review"]["display_name"]) == ("p-1", "Asha Rao")
    assert (await get(client, route, as_caller("kiosk-3")))["review"] is None
    queue = "/v1/captures?from=2026-02-01T00:00:00Z&to=2026-03-31T00:00:00Z&outcome=REVIEW"
    (listed,) = (await get(client, queue))["items"]
    assert listed["review"] == capture["review"]
    assert (await get(client, f"{queue}&reviewed=true"))["items"] == [listed]
    assert (await get(client, f"{queue}&reviewed=false"))["items"] == []
