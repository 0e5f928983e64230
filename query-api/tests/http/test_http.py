import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from attendance_testing.http_promises import Guarded, HttpPromises
from query_api.adapters.valkey_presence_cache import NoPresenceCache
from query_api.app import create_app
from query_api.attendance.read_person_attendance import PersonAttendance
from query_api.attendance.routes import PresenceAnswer
from query_api.domain.facts import Correction, Erasure, Punch, RefusedFact, ToldFate
from query_api.domain.fates import Fate
from query_api.domain.rows import (
    Adjustment,
    AttendanceDay,
    Capture,
    Device,
    Enrolment,
    Organisation,
    PeriodLock,
    Person,
    UnscheduledPunch,
)
from query_api.domain.scope import Caller
from query_api.errors import QueryTooSlow, ReadModelUnavailable
from query_api.http import examples
from query_api.http.pages import PageAnswer
from query_api.http.services import Services
from query_api.metrics import QueryApiMetrics
from service_kit.errors import TransientFailure
from service_kit.observing.health import Health

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
CAPTURE_ID = "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55"
DATES = "from=2026-03-01&to=2026-03-31"
INSTANTS = "from=2026-03-01T00:00:00Z&to=2026-03-31T00:00:00Z"
LISTS = [
    f"/v1/attendance?{DATES}",
    f"/v1/adjustments?{DATES}",
    f"/v1/period-locks?{DATES}",
    f"/v1/unscheduled?{DATES}",
    f"/v1/people/p-1/attendance?{DATES}",
    "/v1/presence",
    f"/v1/captures?{INSTANTS}",
    "/v1/people",
    f"/v1/enrolments/{CAPTURE_ID}",
    "/v1/organisation",
    f"/v1/corrections/{CAPTURE_ID}",
    f"/v1/erasures/{CAPTURE_ID}",
]
ROUTES = [*LISTS, f"/v1/captures/{CAPTURE_ID}", f"/v1/punches/{CAPTURE_ID}"]
REFUSED_FACTS = f"/v1/refused-facts?{INSTANTS}"


@pytest.fixture
async def client(
    read_model: Any, feed: Any, clock: Any, tokens: Any, metrics: QueryApiMetrics, registry: CollectorRegistry
) -> AsyncIterator[httpx.AsyncClient]:
    tokens.callers = {
        "analyst": Caller(subject="u-1", roles=frozenset({"analyst"}), org_id="acme"),
        "pune": Caller(
            subject="u-2", roles=frozenset({"supervisor"}), org_id="acme", sites=frozenset({"pune-1"})
        ),
        "hr": Caller(subject="hr-1", roles=frozenset({"hr"}), org_id="acme"),
        "hr-pune": Caller(
            subject="hr-2", roles=frozenset({"hr"}), org_id="acme", sites=frozenset({"pune-1"})
        ),
        "device": Caller(subject="kiosk-3", roles=frozenset({"device"}), org_id="acme"),
        "nobody": Caller(subject="u-3", roles=frozenset(), org_id="acme"),
    }
    services = Services(
        read_model=read_model,
        presence=NoPresenceCache(metrics),
        decisions=feed,
        tokens=tokens,
        metrics=metrics,
        now=lambda: NOW,
        monotonic=clock.monotonic,
    )
    transport = httpx.ASGITransport(app=create_app(services, Health(), registry), raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", headers=bearer("analyst")
    ) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The one shape of every error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:problem:{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["correlation_id"] == response.headers["x-correlation-id"]
    return body


@pytest.mark.parametrize("route", [*ROUTES, REFUSED_FACTS])
async def test_no_route_answers_without_a_genuine_token(client: httpx.AsyncClient, route: str) -> None:
    for headers, slug, challenge in (
        ({"Authorization": "Basic x"}, "token-needed", "Bearer"),
        (bearer("forged"), "invalid-token", 'Bearer error="invalid_token"'),
    ):
        response = await client.get(route, headers=headers)
        assert_problem(response, 401, slug)
        assert response.headers["www-authenticate"] == challenge


@pytest.mark.parametrize("route", [*ROUTES, REFUSED_FACTS])
async def test_no_route_answers_without_a_reading_role(
    client: httpx.AsyncClient, route: str, read_model: Any
) -> None:
    assert_problem(await client.get(route, headers=bearer("nobody")), 403, "forbidden")
    assert read_model.asked == []


@pytest.mark.parametrize("route", [*LISTS, REFUSED_FACTS])
async def test_a_device_reads_captures_only(client: httpx.AsyncClient, route: str) -> None:
    assert_problem(await client.get(route, headers=bearer("device")), 403, "forbidden")


@pytest.mark.parametrize("route", [*ROUTES, REFUSED_FACTS])
async def test_every_question_is_asked_in_the_callers_scope(
    client: httpx.AsyncClient, route: str, read_model: Any
) -> None:
    await client.get(route, headers=bearer("pune"))
    assert read_model.asked
    for _, asked in read_model.asked:
        assert asked["scope"].org_id == "acme"
        assert asked["scope"].sites == {"pune-1"}


@pytest.mark.parametrize(
    "route",
    [
        f"/v1/attendance?{DATES}",
        f"/v1/adjustments?{DATES}",
        f"/v1/period-locks?{DATES}",
        f"/v1/unscheduled?{DATES}",
        "/v1/presence?",
        f"/v1/captures?{INSTANTS}",
        "/v1/people?",
    ],
)
async def test_another_site_than_the_tokens_is_refused(client: httpx.AsyncClient, route: str) -> None:
    assert_problem(await client.get(f"{route}&site=goa-1", headers=bearer("pune")), 403, "site-not-allowed")
    assert (await client.get(f"{route}&site=pune-1", headers=bearer("pune"))).status_code == 200


@pytest.mark.parametrize(
    ("route", "field"),
    [
        ("/v1/attendance?from=2026-03-01", "query.to"),
        ("/v1/attendance?to=2026-03-01", "query.from"),
        (f"/v1/attendance?{DATES}&sites=pune-1", "query.sites"),
        (f"/v1/attendance?{DATES}&limit=1001", "query.limit"),
        (f"/v1/attendance?{DATES}&person=%00", "query.person"),
        ("/v1/adjustments?from=2026-03-01", "query.to"),
        (f"/v1/adjustments?{DATES}&status=PRESENT", "query.status"),
        (f"/v1/period-locks?{DATES}&person=p-1", "query.person"),
        ("/v1/captures?from=2026-03-01T00:00:00&to=2026-03-02T00:00:00", "query.from"),
        *(
            (f"/v1/{path}?{name}={value}", f"query.{name}")
            for path in ("attendance", "adjustments", "period-locks", "unscheduled", "people/p-1/attendance")
            for name in ("from", "to")
            for value in (
                "1764460800",
                "1",
                "0",
                "2026-11-30T00:00:00",
                "2026-W10-1",
                "1999-12-31",
                "9999-12-31",
            )
        ),
        *(
            (f"/v1/{path}?{name}={value}", f"query.{name}")
            for path in ("captures", "refused-facts")
            for name in ("from", "to")
            for value in (
                "0001-01-01T00:00:00%2B14:00",
                "9999-12-31T23:59:59-12:00",
                "1764460800",
                "2026-W10-1",
            )
        ),
        ("/v1/people?q=%E2%80%8B", "query.q"),
        ("/v1/people?q=a%C2%9Bb", "query.q"),
        (f"/v1/captures?{INSTANTS}&outcome=MAYBE", "query.outcome"),
        (f"/v1/captures/{CAPTURE_ID}?wait=31", "query.wait"),
        (f"/v1/captures/{CAPTURE_ID}?wait=nan", "query.wait"),
        ("/v1/captures/7", "path.capture_id"),
        (f"/v1/people/%00/attendance?{DATES}", "path.person_id"),
    ],
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, route: str, field: str) -> None:
    body = assert_problem(await client.get(route, headers=bearer("hr")), 422, "invalid-request")
    assert field in [item["field"] for item in body["errors"]]


@pytest.mark.parametrize(
    "route",
    [
        "/v1/attendance?from=2025-01-01&to=2026-01-02",
        "/v1/adjustments?from=2026-01-02&to=2026-01-01",
        "/v1/period-locks?from=2026-01-02&to=2026-01-01",
        "/v1/unscheduled?from=2025-01-01&to=2026-01-02",
        "/v1/captures?from=2026-01-01T00:00Z&to=2026-06-01T00:00Z",
    ],
)
async def test_a_range_too_long_is_refused(client: httpx.AsyncClient, route: str, read_model: Any) -> None:
    assert_problem(await client.get(route), 422, "invalid-range")
    assert read_model.asked == []


async def test_pages_lead_through_every_row_once(
    client: httpx.AsyncClient, read_model: Any, day_row: Callable[..., AttendanceDay]
) -> None:
    read_model.days = [day_row(person_id=f"p-{number}") for number in range(5)]
    seen, route = [], f"/v1/attendance?{DATES}&limit=2"
    while route:
        response = await client.get(route)
        body = response.json()
        seen += [row["person_id"] for row in body["items"]]
        assert ("link" in response.headers) == (body["next"] is not None)
        route = body["next"]
    assert seen == [f"p-{number}" for number in range(5)]
    assert read_model.asked[-1][1]["which"].dates.first_on.isoformat() == "2026-03-02"


async def test_pages_of_adjustments_lead_through_every_row_once(
    client: httpx.AsyncClient, read_model: Any, adjustment_row: Callable[..., Adjustment]
) -> None:
    read_model.adjusted = [
        adjustment_row(attendance_on=date(2026, 2, day), shift_id=shift)
        for day in (10, 11)
        for shift in ("a", "b")
    ]
    seen, route = [], f"/v1/adjustments?{DATES}&limit=3"
    while route:
        body = (await client.get(route)).json()
        seen += [(row["attendance_on"], row["shift_id"]) for row in body["items"]]
        route = body["next"]
    assert seen == [(f"2026-02-{day}", shift) for day in (10, 11) for shift in ("a", "b")]
    assert read_model.asked[-1][1]["which"].dates.first_on == date(2026, 3, 5)


async def test_pages_of_unscheduled_punches_lead_through_every_row_once(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    row = TypeAdapter(UnscheduledPunch).validate_python(examples.UNSCHEDULED)
    read_model.outside = [replace(row, punch_id=UUID(int=number)) for number in range(5)]
    seen, route = [], f"/v1/unscheduled?{DATES}&limit=2"
    while route:
        body = (await client.get(route)).json()
        seen += [UUID(row["punch_id"]).int for row in body["items"]]
        route = body["next"]
    assert seen == list(range(5))
    (name, asked) = read_model.asked[-1]
    assert (name, asked["after"]) == ("unscheduled", (row.occurred_at, UUID(int=3)))


async def test_pages_of_period_locks_lead_through_every_row_once(
    client: httpx.AsyncClient, read_model: Any, period_lock_row: Callable[..., PeriodLock]
) -> None:
    read_model.locks = [period_lock_row(lock_id=UUID(int=number)) for number in range(5)]
    seen, route = [], f"/v1/period-locks?{DATES}&limit=2"
    while route:
        body = (await client.get(route)).json()
        seen += [UUID(row["lock_id"]).int for row in body["items"]]
        route = body["next"]
    assert seen == list(range(5))
    # A lock that began before the range reaches into it: a page never narrows the range.
    assert read_model.asked[-1][1]["which"].dates.first_on == date(2026, 3, 1)


async def test_pages_of_refused_facts_lead_through_every_row_once(
    client: httpx.AsyncClient, read_model: Any, refused_fact_row: Callable[..., RefusedFact]
) -> None:
    read_model.refused = [refused_fact_row(fact_id=f"f-{number}") for number in reversed(range(5))]
    seen, route = [], f"{REFUSED_FACTS}&limit=2"
    while route:
        body = (await client.get(route, headers=bearer("hr"))).json()
        seen += [row["fact_id"] for row in body["items"]]
        route = body["next"]
    assert seen == [f"f-{number}" for number in reversed(range(5))]


@pytest.mark.parametrize(("caller", "made_by"), [("hr", None), ("hr-pune", "hr-2"), ("pune", "u-2")])
async def test_who_acts_for_all_sites_sees_all_refused_facts_others_their_own(
    client: httpx.AsyncClient, read_model: Any, caller: str, made_by: str | None
) -> None:
    assert (await client.get(REFUSED_FACTS, headers=bearer(caller))).status_code == 200
    assert read_model.asked[0][1]["scope"].made_by == made_by
    assert_problem(await client.get(REFUSED_FACTS), 403, "forbidden")


async def test_a_refused_capture_says_why_and_not_to_come_back(
    client: httpx.AsyncClient, read_model: Any, refused_fact_row: Callable[..., RefusedFact]
) -> None:
    read_model.told = ToldFate(
        fate=Fate.REFUSED, since=NOW, reason="impossible-instant", detail=refused_fact_row().detail
    )
    response = await client.get(f"/v1/captures/{CAPTURE_ID}", headers=bearer("device"))
    body = assert_problem(response, 404, "capture-refused")
    assert body["detail"] == "it is about 1970-01-01; set the clock"
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("known", "slug"),
    [(None, "unknown-device"), (Device(device_id="kiosk-3", revoked=True), "revoked-device")],
)
async def test_a_device_that_is_revoked_or_taken_back_reads_nothing(
    client: httpx.AsyncClient, read_model: Any, feed: Any, decision: Any, known: Device | None, slug: str
) -> None:
    feed.coming = [(0.0, decision())]
    read_model.known_device = known
    address = f"/v1/captures/{CAPTURE_ID}?wait=5"
    assert_problem(await client.get(address, headers=bearer("device")), 403, slug)
    # Tokens of people name no device.
    assert (await client.get(address)).status_code == 200


async def test_a_device_gets_what_the_feed_knows_while_the_database_is_away(
    client: httpx.AsyncClient, read_model: Any, feed: Any, decision: Any
) -> None:
    feed.coming = [(0.0, decision())]
    read_model.failure = ReadModelUnavailable("away")
    response = await client.get(f"/v1/captures/{CAPTURE_ID}?wait=5", headers=bearer("device"))
    assert response.status_code == 200


async def test_no_route_takes_text_that_nobody_can_read(client: httpx.AsyncClient, read_model: Any) -> None:
    """Of every parameter that the description names: a new one cannot forget it."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path, item in paths.items():
        for parameter in item["get"].get("parameters", []):
            name = parameter["name"]
            if parameter["in"] == "path":
                address, field = path.replace(f"{{{name}}}", "a%00b"), f"path.{name}"
            else:
                address, field = f"{path.replace('{', '').replace('}', '')}?{name}=a%00b", f"query.{name}"
            response = await client.get(address, headers=bearer("hr"))
            if name == "cursor":
                continue
            body = assert_problem(response, 422, "invalid-request")
            assert field in [error["field"] for error in body["errors"]]
    assert read_model.asked == []


async def test_a_cursor_works_with_its_own_filters_only(
    client: httpx.AsyncClient, read_model: Any, day_row: Callable[..., AttendanceDay]
) -> None:
    read_model.days = [day_row(person_id="p-1"), day_row(person_id="p-2")]
    following = (await client.get(f"/v1/attendance?{DATES}&limit=1")).json()["next"]
    assert (await client.get(following)).status_code == 200
    assert_problem(await client.get(f"{following}&site=pune-1"), 422, "invalid-cursor")
    assert_problem(await client.get(f"/v1/attendance?{DATES}&cursor=nonsense"), 422, "invalid-cursor")


async def test_an_undecided_capture_asks_to_come_back_and_says_since_when(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    read_model.told = ToldFate(fate=Fate.WAITING, since=NOW)
    response = await client.get(f"/v1/captures/{CAPTURE_ID}?wait=5", headers=bearer("device"))
    body = assert_problem(response, 404, "capture-waiting")
    assert int(response.headers["retry-after"]) > 0
    assert (body["since"], body["fate"]) == (NOW.isoformat(), "WAITING")


@pytest.mark.parametrize(
    ("told", "slug"),
    [
        (None, "unknown-{}"),
        (ToldFate(fate=Fate.REFUSED, since=NOW, reason="out-of-scope", detail="too far"), "{}-refused"),
        (ToldFate(fate=Fate.DEAD_LETTER, since=NOW, reason="image-missing"), "{}-dead-letter"),
    ],
)
@pytest.mark.parametrize("kind", ["capture", "punch", "correction", "enrolment", "erasure"])
async def test_what_is_settled_is_never_to_be_asked_for_again(
    client: httpx.AsyncClient, read_model: Any, told: ToldFate | None, slug: str, kind: str
) -> None:
    read_model.told = told
    plural = "punches" if kind == "punch" else f"{kind}s"
    response = await client.get(f"/v1/{plural}/{CAPTURE_ID}", headers=bearer("hr"))
    body = assert_problem(response, 404, slug.format(kind))
    assert "retry-after" not in response.headers
    assert "ask again" not in body["detail"]
    assert body.get("reason") == (told and told.reason)


async def test_a_capture_whose_record_has_expired_waits_no_more(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    read_model.told = ToldFate(fate=Fate.WAITING, since=NOW - timedelta(days=61))
    response = await client.get(f"/v1/captures/{CAPTURE_ID}", headers=bearer("device"))
    assert assert_problem(response, 404, "capture-dead-letter")["reason"] == "expired"
    assert "retry-after" not in response.headers
    # Requests to enrol are kept for ever, and decided whenever a worker comes.
    assert_problem(await client.get(f"/v1/enrolments/{CAPTURE_ID}"), 404, "enrolment-waiting")


async def test_a_dead_letter_tells_no_place_of_the_store(client: httpx.AsyncClient, read_model: Any) -> None:
    read_model.told = ToldFate(fate=Fate.DEAD_LETTER, since=NOW, reason="a new word")
    body = (await client.get(f"/v1/captures/{CAPTURE_ID}", headers=bearer("device"))).json()
    assert "a new word" in body["detail"]


@pytest.mark.parametrize(
    ("failure", "slug"),
    [(ReadModelUnavailable("x"), "read-model-unavailable"), (QueryTooSlow("x"), "query-too-slow")],
)
@pytest.mark.parametrize("route", ROUTES)
async def test_an_outage_asks_to_come_back(
    client: httpx.AsyncClient, read_model: Any, route: str, failure: Exception, slug: str
) -> None:
    read_model.failure = failure
    response = await client.get(route)
    assert_problem(response, 503, slug)
    assert int(response.headers["retry-after"]) > 0


async def test_an_absent_token_issuer_is_an_outage_and_tells_no_addresses(
    client: httpx.AsyncClient, tokens: Any
) -> None:
    tokens.failure = TransientFailure("token-issuer", "http://10.0.0.7 is away")
    response = await client.get("/v1/presence")
    body = assert_problem(response, 503, "dependency-unavailable")
    assert "10.0.0.7" not in str(body)


async def test_a_bug_is_a_problem_without_internals(client: httpx.AsyncClient, read_model: Any) -> None:
    read_model.failure = RuntimeError("secret")
    with capture_logs() as lines:
        body = assert_problem(await client.get("/v1/presence"), 500, "internal-error")
    assert "secret" not in str(body)
    assert [line["event"] for line in lines] == ["request failed", "answered"]


async def test_every_request_is_a_line_without_the_ids_of_people(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get(f"/v1/people/p-1/attendance?{DATES}")
        await client.get("/v1/nothing/p-1")
        await client.get("/health/live")
    told = [(line["event"], line["method"], line["route"], line["status"]) for line in lines]
    assert told == [
        ("answered", "GET", "/v1/people/{person_id}/attendance", 404),
        ("answered", "GET", "unmatched", 404),
    ]
    assert "p-1" not in str(lines)


async def test_an_outage_is_no_line_for_each_request(client: httpx.AsyncClient, read_model: Any) -> None:
    read_model.failure = ReadModelUnavailable("away")
    with capture_logs() as lines:
        assert (await client.get("/v1/people")).status_code == 503
    assert lines == []


async def test_unknown_paths_are_problems_too(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/nothing"), 404, "not-found")
    assert_problem(await client.post("/v1/people"), 405, "method-not-allowed")


class TestPromises(HttpPromises):
    @pytest.fixture
    def guarded(self) -> Guarded:
        return "GET", "/v1/people"


async def test_no_answer_is_cached(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/people")).headers["cache-control"] == "no-store"


async def test_requests_are_counted_by_route_and_never_by_id(client: httpx.AsyncClient) -> None:
    await client.get(f"/v1/people/p-77/attendance?{DATES}")
    await client.get("/v1/nothing/p-77")
    text = (await client.get("/metrics")).text
    assert 'query_api_requests_total{route="/v1/people/{person_id}/attendance",status="404"} 1.0' in text
    assert 'query_api_requests_total{route="unmatched",status="404"} 1.0' in text
    assert "p-77" not in text


async def test_health_needs_no_token(client: httpx.AsyncClient) -> None:
    for route in ("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"):
        assert (await client.get(route, headers={"Authorization": ""})).status_code == 200


async def test_the_document_describes_every_route_with_examples_and_problems(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    paths = {path: item["get"] for path, item in document["paths"].items()}
    assert len(paths) == len([*ROUTES, REFUSED_FACTS])
    for operation in paths.values():
        assert operation["security"]
        assert "example" in operation["responses"]["200"]["content"]["application/json"]
        for status in ("401", "403", "422", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"]


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (PageAnswer[AttendanceDay], examples.ATTENDANCE_PAGE),
        (PageAnswer[UnscheduledPunch], examples.UNSCHEDULED_PAGE),
        (PageAnswer[Adjustment], examples.ADJUSTMENT_PAGE),
        (PageAnswer[PeriodLock], examples.PERIOD_LOCK_PAGE),
        (PersonAttendance, examples.PERSON_ATTENDANCE),
        (PresenceAnswer, examples.PRESENCE),
        (Capture, examples.CAPTURE),
        (PageAnswer[Capture], examples.CAPTURE_PAGE),
        (PageAnswer[Person], examples.PEOPLE_PAGE),
        (Enrolment, examples.ENROLMENT),
        (Punch, examples.PUNCH),
        (Correction, examples.CORRECTION),
        (Erasure, examples.ERASURE),
        (PageAnswer[RefusedFact], examples.REFUSED_FACT_PAGE),
    ],
)
def test_examples_have_the_shape_of_the_answers(shape: Any, example: dict[str, object]) -> None:
    adapter = TypeAdapter(shape)
    written = adapter.dump_python(adapter.validate_python(example), mode="json")
    assert set(written) == set(example)
    assert adapter.validate_python(written) == adapter.validate_python(example)


def school(**changes: Any) -> Organisation:
    fields = {"org_id": "acme", "name": "Hillside", "time_zone": "Europe/London", "org_type": "school"}
    return Organisation(**fields | {"default_policy": None, "default_policy_on": None} | changes)


async def test_the_organisation_says_what_things_are_called(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    read_model.recorded = school()
    body = (await client.get("/v1/organisation")).json()
    assert (body["org_type"], body["labels_of"]) == ("school", "school")
    assert body["labels"]["person"] == {"one": "pupil", "many": "pupils"}
    assert body["roles"] == {
        "supervisor": "Class teacher",
        "hr": "School office",
        "ops": "Caretaker",
        "auditor": "School authority",
    }


async def test_a_type_without_a_file_here_has_the_usual_labels(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    read_model.recorded = school(org_type="gym")
    body = (await client.get("/v1/organisation")).json()
    assert (body["org_type"], body["labels_of"]) == ("gym", "company")
    assert body["labels"]["person"]["one"] == "employee"


@pytest.mark.parametrize("route", LISTS)
async def test_an_organisation_that_is_not_recorded_is_a_problem(
    client: httpx.AsyncClient, read_model: Any, route: str
) -> None:
    read_model.recorded = None
    problem = assert_problem(await client.get(route), 404, "unknown-organisation")
    assert "no organisation acme is recorded" in problem["detail"]
    assert "PUT /v1/directory/organisations/acme" in problem["detail"]


@pytest.mark.parametrize("route", LISTS)
async def test_the_description_tells_of_organisations_that_are_not_recorded(
    client: httpx.AsyncClient, route: str
) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    asked = route.partition("?")[0].replace("p-1", "{}").replace(CAPTURE_ID, "{}")
    (path,) = [each for each in paths if re.sub(r"\{\w+\}", "{}", each) == asked]
    assert "`unknown-organisation`" in paths[path]["get"]["responses"]["404"]["description"]


async def test_an_answer_with_rows_asks_nothing_more(
    client: httpx.AsyncClient, read_model: Any, day_row: Callable[..., AttendanceDay]
) -> None:
    read_model.days = [day_row()]
    await client.get(f"/v1/attendance?{DATES}")
    assert [name for name, _ in read_model.asked] == ["attendance_days"]
    read_model.days = []
    assert (await client.get(f"/v1/attendance?{DATES}")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("answer", "field", "word"),
    [
        *(("AttendanceDay", "status", "PENDING"), ("ExplainedDay", "status", "HALF_DAY")),
        *(("Adjustment", "status_from", "ABSENT"), ("Adjustment", "status_to", "ABSENT")),
        *(("PeriodLock", "state", "SEALED"), ("Enrolment", "outcome", "REJECTED")),
        *(("Capture", "outcome", "NO_FACE"), ("Capture", "time_trust", "UNTRUSTED")),
        ("Capture", "direction", "IN"),
    ],
)
async def test_the_description_lists_the_words_of_a_field(
    client: httpx.AsyncClient, answer: str, field: str, word: str
) -> None:
    schema = (await client.get("/openapi.json")).json()["components"]["schemas"][answer]
    described = schema["properties"][field]
    assert word in described.get("anyOf", [described])[0]["enum"]


async def test_an_unknown_word_is_answered_with_those_there_are(
    client: httpx.AsyncClient, read_model: Any
) -> None:
    for parameter in (f"attendance?{DATES}&status=LATE", f"captures?{INSTANTS}&outcome=LATE"):
        body = assert_problem(await client.get(f"/v1/{parameter}"), 422, "invalid-request")
        assert body["errors"][0]["message"].startswith("should be '")
    assert read_model.asked == []
    assert (await client.get(f"/v1/attendance?{DATES}&status=PENDING")).status_code == 200
    assert dict(read_model.asked)["attendance_days"]["which"].status == "PENDING"
