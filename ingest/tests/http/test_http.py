import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from attendance_schemas.events import CaptureReceived, Direction, PersonErased
from attendance_schemas.topics import CAPTURES, ENROLMENTS
from attendance_testing.fake_tokens import GATE, HR, FakeVerifier, bearer
from ingest.app import Desks, Rules, create_app
from ingest.captures.accept_capture import CaptureDesk
from ingest.corrections.record_correction import CorrectionDesk
from ingest.directory.record_directory import DirectoryDesk
from ingest.domain.acceptable_image import ImageLimits
from ingest.enrolments.erase_biometrics import ErasureDesk
from ingest.enrolments.request_enrolment import EnrolmentDesk
from ingest.http.authentication import Doorkeeper
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import PunchDesk
from service_kit.errors import TransientFailure
from service_kit.http.problems import MEDIA_TYPE
from service_kit.observing.health import Health

CAPTURES_URL = "/v1/captures"
ENROLMENTS_URL = "/v1/enrolments"
LIMIT = 300_000


OPS = bearer("ops-1", "ops")


@dataclass
class Readiness:
    is_ready: bool = True

    async def check(self) -> None:
        if not self.is_ready:
            raise TransientFailure("ingest", "still starting")


@dataclass
class Front:
    client: httpx.AsyncClient
    app: ASGIApp
    registry: CollectorRegistry
    readiness: Readiness

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
async def front(images, publisher, sequences, directory, clock) -> AsyncIterator[Front]:
    registry = CollectorRegistry()
    limits = ImageLimits(size_bytes=LIMIT, pixels=100_000, least_side_px=9)
    readiness = Readiness()
    app = create_app(
        Doorkeeper(FakeVerifier(), directory, readiness.check),
        Desks(
            CaptureDesk(images, publisher, sequences, clock, limits, timedelta(days=62)),
            EnrolmentDesk(images, publisher, directory, clock, limits),
            DirectoryDesk(directory, clock),
            ErasureDesk(publisher, directory, clock),
            PunchDesk(images, publisher, directory, sequences, clock, timedelta(days=62)),
            CorrectionDesk(images, publisher, directory, clock),
        ),
        Rules("https://query.example", enrolment_bytes=2 * LIMIT, import_bytes=10_000),
        IngestMetrics(registry),
        health=Health(),
        registry=registry,
    )
    inner = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(base_url="http://ingest", transport=inner) as client:
        yield Front(client, app, registry, readiness)


@pytest.fixture
def metadata(new_capture_id, now) -> Callable[..., dict[str, object]]:
    def make(**changes: object) -> dict[str, object]:
        fields = {
            "capture_id": str(new_capture_id()),
            "device_sequence": 1,
            "captured_at": (now - timedelta(seconds=1)).isoformat(),
            "device_now": now.isoformat(),
            "direction": "IN",
        }
        return {name: value for name, value in (fields | changes).items() if value is not ...}

    return make


def capture_form(metadata: object, image: bytes) -> dict[str, object]:
    return {
        "metadata": (None, metadata if isinstance(metadata, str) else json.dumps(metadata)),
        "image": ("a.jpg", image, "image/jpeg"),
    }


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert (response.status_code, response.json()["type"]) == (status, f"urn:problem:{slug}"), response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json()["status"] == status
    assert response.json()["correlation_id"] == response.headers["X-Correlation-ID"]
    body: dict[str, object] = response.json()
    return body


async def test_a_capture_is_accepted(front, publisher, metadata, picture, now):
    sent = metadata()
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(sent, picture()))
    assert response.status_code == 202, response.text
    assert response.json() == {
        "capture_id": sent["capture_id"],
        "received_at": now.isoformat().replace("+00:00", "Z"),
        "occurred_at": (now - timedelta(seconds=1)).isoformat().replace("+00:00", "Z"),
        "time_trust": "SYNCED",
        "status_url": f"https://query.example/v1/captures/{sent['capture_id']}",
        "device_sequence_acknowledged": 1,
    }
    [(topic, event)] = publisher.published
    assert topic is CAPTURES
    assert isinstance(event, CaptureReceived)
    assert (event.device_id, event.site_id, event.direction) == ("gate-1", "pune", Direction.IN)
    assert front.sample("ingest_requests_total", operation="capture", outcome="accepted") == 1
    assert front.sample("ingest_image_bytes_total") == len(picture())


async def test_a_resend_gives_the_same_answer(front, publisher, metadata, picture, clock):
    form = capture_form(metadata(), picture())
    first = await front.client.post(CAPTURES_URL, headers=GATE, files=form)
    clock.advance(hours=5)
    second = await front.client.post(CAPTURES_URL, headers=GATE, files=form)
    assert second.json() == first.json()
    assert publisher.published[0] == publisher.published[1]
    assert front.sample("ingest_requests_total", operation="capture", outcome="resent") == 1


async def test_the_metadata_may_be_a_file(front, metadata, picture):
    files = {
        "metadata": ("m.json", json.dumps(metadata()), "application/json"),
        "image": ("a", picture(), "x/y"),
    }
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=files)
    assert response.status_code == 202, response.text


@pytest.mark.parametrize(
    ("headers", "status", "slug", "hint"),
    [
        ({}, 401, "token-needed", "Bearer"),
        ({"Authorization": "Basic Zm9v"}, 401, "token-needed", "Bearer"),
        ({"Authorization": "Bearer nonsense"}, 401, "invalid-token", "new token"),
        (bearer("gate-1", "hr"), 403, "not-a-device", "role device"),
        (bearer("gate-9", "device"), 403, "unknown-device", "PUT /v1/directory/devices/gate-9"),
        (bearer("far-1", "device"), 403, "unknown-device", "organisation acme"),
        (bearer("gate-1", "device", sites=("delhi",)), 403, "device-at-another-site", "at site pune"),
        (bearer("gate-2", "device"), 403, "revoked-device", "ask ops"),
    ],
)
async def test_others_than_recorded_devices_are_told_what_to_do(
    front, publisher, metadata, picture, headers, status, slug, hint
):
    response = await front.client.post(
        CAPTURES_URL, headers=headers, files=capture_form(metadata(), picture())
    )
    assert hint in str(assert_problem(response, status, slug)["detail"])
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert publisher.published == []
    assert front.sample("ingest_refusals_total", reason=slug) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"capture_id": str(uuid4())}, "capture_id"),
        ({"capture_id": "7"}, "capture_id"),
        ({"capture_id": ...}, "capture_id"),
        ({"device_sequence": 0}, "device_sequence"),
        ({"device_sequence": "1"}, "device_sequence"),
        ({"device_sequence": 1.5}, "device_sequence"),
        ({"device_sequence": 2**53}, "device_sequence"),
        ({"captured_at": "2026-03-02T08:00:00"}, "captured_at"),
        ({"captured_at": 1772438400}, "captured_at"),
        ({"captured_at": "0001-01-01T00:00:00Z"}, "captured_at"),
        ({"device_now": "yesterday"}, "device_now"),
        ({"monotonic_ms": -1}, "monotonic_ms"),
        ({"direction": "up"}, "direction"),
        ({"direction": "in"}, "direction"),
        ({"claimed_badge": "x" * 65}, "claimed_badge"),
    ],
)
async def test_wrong_metadata_is_named(front, publisher, metadata, picture, changes, field):
    form = capture_form(metadata(**changes), picture())
    problem = assert_problem(
        await front.client.post(CAPTURES_URL, headers=GATE, files=form), 422, "invalid-request"
    )
    assert [error["field"] for error in problem["errors"]] == [f"metadata.{field}"]
    assert publisher.published == []


async def test_bodies_that_cannot_be_read_are_refused(front, metadata, picture):
    post = front.client.post
    broken = await post(CAPTURES_URL, headers=GATE, files=capture_form("{", picture()))
    assert_problem(broken, 400, "malformed-json")
    no_object = await post(CAPTURES_URL, headers=GATE, files=capture_form("[]", picture()))
    assert_problem(no_object, 422, "invalid-request")
    missing = await post(CAPTURES_URL, headers=GATE, files={"metadata": (None, "{}")})
    assert_problem(missing, 422, "invalid-request")
    only_metadata = await post(CAPTURES_URL, headers=GATE, files={"metadata": (None, json.dumps(metadata()))})
    assert "part image" in str(assert_problem(only_metadata, 400, "malformed-multipart")["detail"])
    as_field = await post(CAPTURES_URL, headers=GATE, data={"metadata": json.dumps(metadata()), "image": "x"})
    assert_problem(as_field, 415, "unsupported-media-type")
    raw = await post(CAPTURES_URL, headers=GATE | {"Content-Type": "image/jpeg"}, content=picture())
    assert_problem(raw, 415, "unsupported-media-type")
    no_boundary = await post(
        CAPTURES_URL, headers=GATE | {"Content-Type": "multipart/form-data"}, content=b"--x"
    )
    assert_problem(no_boundary, 415, "unsupported-media-type")
    garbage = await post(
        CAPTURES_URL, headers=GATE | {"Content-Type": "multipart/form-data; boundary=x"}, content=b"garbage"
    )
    assert_problem(garbage, 400, "malformed-multipart")


@pytest.mark.parametrize(
    ("image", "status", "slug"),
    [
        (b"", 422, "empty-image"),
        (b"GIF89a", 415, "unsupported-image-type"),
        (b"\xff\xd8\xff\xe0", 422, "damaged-image-header"),
        (b"\xff" * (LIMIT + 1), 413, "image-too-large"),
        (b"\xff" * (2 * LIMIT), 413, "request-too-large"),
    ],
)
async def test_wrong_images_are_refused_for_good(front, publisher, metadata, image, status, slug):
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(metadata(), image))
    assert_problem(response, status, slug)
    assert "Retry-After" not in response.headers
    assert publisher.published == []
    assert front.sample("ingest_refusals_total", reason=slug) == 1


async def test_too_many_pixels_are_refused(front, metadata, picture):
    form = capture_form(metadata(), picture(size=(400, 300), quality=5))
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=form)
    assert_problem(response, 413, "too-many-pixels")


async def test_a_body_without_a_length_is_cut_off_at_the_limit(front):
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        while True:
            taken += 1
            yield b"\0" * 65536

    response = await front.client.post(
        CAPTURES_URL, headers=GATE | {"Content-Type": "multipart/form-data; boundary=x"}, content=endless()
    )
    assert_problem(response, 413, "request-too-large")
    assert taken < 20


async def test_a_sender_who_hangs_up_is_not_counted_as_refused(front):
    messages = [
        {"type": "http.request", "body": b"--x\r\nContent-Disp", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(_message: object) -> None:
        """Nobody listens any more."""

    headers = GATE | {"Content-Type": "multipart/form-data; boundary=x"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": CAPTURES_URL,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await front.app(scope, receive, send)
    assert front.sample("ingest_requests_total", operation="capture", outcome="aborted") == 1
    assert front.sample("ingest_refusals_total", reason="incomplete-request") is None


async def test_another_image_under_the_same_id_conflicts(front, metadata, picture):
    sent = metadata()
    await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(sent, picture()))
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(sent, picture(seed=2)))
    assert_problem(response, 409, "id-in-use")


@pytest.mark.parametrize("away", ["images", "publisher"])
async def test_outages_ask_the_device_to_come_back(front, images, publisher, metadata, picture, away):
    {"images": images, "publisher": publisher}[away].is_away = True
    waits = set()
    for _ in range(40):
        form = capture_form(metadata(), picture())
        response = await front.client.post(CAPTURES_URL, headers=GATE, files=form)
        assert_problem(response, 503, "temporarily-unavailable")
        waits.add(int(response.headers["Retry-After"]))
    assert waits == {1, 2, 3, 4, 5}
    assert front.sample("ingest_requests_total", operation="capture", outcome="unavailable") == 40


async def test_sequences_that_are_away_are_counted(front, sequences, metadata, picture):
    sequences.is_away = True
    response = await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(metadata(), picture()))
    assert (response.status_code, response.json()["device_sequence_acknowledged"]) == (202, None)
    assert front.sample("ingest_unknown_sequences_total") == 1


async def test_before_the_directory_is_read_devices_are_not_judged(front, metadata, picture):
    front.readiness.is_ready = False
    form = capture_form(metadata(), picture())
    response = await front.client.post(CAPTURES_URL, headers=bearer("gate-9", "device"), files=form)
    assert_problem(response, 503, "temporarily-unavailable")


async def test_a_bug_is_a_problem_without_internals(front, images, metadata, picture):
    sent = metadata()
    images.objects[f"accepted/acme/{sent['capture_id']}"] = (b"", "application/json")
    with capture_logs() as logs:
        response = await front.client.post(CAPTURES_URL, headers=GATE, files=capture_form(sent, picture()))
    problem = assert_problem(response, 500, "internal-error")
    assert "detail" not in problem
    assert [line["log_level"] for line in logs] == ["error"]
    assert front.sample("ingest_requests_total", operation="capture", outcome="failed") == 1


def photos(*images: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photos", ("p.jpg", image, "image/jpeg")) for image in images]


async def test_an_enrolment_is_accepted_and_repeatable(front, publisher, picture):
    metadata = {"person_id": "p-1", "consent_reference": "c/1", "enrolment_id": str(uuid4())}
    for _ in range(2):
        response = await front.client.post(
            ENROLMENTS_URL,
            headers=HR,
            data={"metadata": json.dumps(metadata)},
            files=photos(picture(), picture(seed=2)),
        )
        assert response.status_code == 202, response.text
        identity = metadata["enrolment_id"]
        assert response.json() == {
            "enrolment_id": identity,
            "status_url": f"https://query.example/v1/enrolments/{identity}",
        }
    assert publisher.published[0] == publisher.published[1]


async def test_hr_enrols_a_twin(front, publisher, picture):
    metadata = {"person_id": "p-1", "consent_reference": "c/1", "accepted_lookalikes": ["p-2"]}
    response = await front.client.post(
        ENROLMENTS_URL, headers=HR, data={"metadata": json.dumps(metadata)}, files=photos(picture())
    )
    assert response.status_code == 202, response.text
    ((_, event),) = publisher.published
    assert (event.accepted_lookalikes, event.authority.subject) == (("p-2",), "hr-1")


@pytest.mark.parametrize(
    ("headers", "changes", "count", "status", "slug"),
    [
        (HR, {"person_id": "p-9"}, 1, 404, "unknown-person"),
        (bearer("a", "analyst"), {}, 1, 403, "forbidden"),
        (GATE, {}, 1, 403, "forbidden"),
        (HR, {"consent_reference": " "}, 1, 422, "invalid-request"),
        (HR, {"consent_reference": None}, 1, 422, "invalid-request"),
        (HR, {"enrolment_id": "x"}, 1, 422, "invalid-request"),
        (HR, {"accepted_lookalikes": ["p-9"]}, 1, 404, "unknown-person"),
        (HR, {"accepted_lookalikes": "p-2"}, 1, 422, "invalid-request"),
        (OPS, {"accepted_lookalikes": ["p-2"]}, 1, 403, "forbidden"),
        (HR, {}, 0, 422, "invalid-request"),
        (HR, {}, 11, 422, "invalid-request"),
        (HR, {}, 20, 400, "malformed-multipart"),
    ],
)
async def test_wrong_enrolments_are_refused(front, publisher, picture, headers, changes, count, status, slug):
    metadata = {"person_id": "p-1", "consent_reference": "c/1"} | changes
    response = await front.client.post(
        ENROLMENTS_URL,
        headers=headers,
        data={"metadata": json.dumps(metadata)},
        files=photos(*[picture()] * count) or {"other": b""},
    )
    assert_problem(response, status, slug)
    assert publisher.published == []


async def test_a_bad_photo_is_named(front, picture):
    response = await front.client.post(
        ENROLMENTS_URL,
        headers=HR,
        data={"metadata": json.dumps({"person_id": "p-1", "consent_reference": "c"})},
        files=photos(picture(), b"%PDF"),
    )
    assert "photo 2" in str(assert_problem(response, 415, "unsupported-image-type")["detail"])


async def test_directory_records_are_put(front, directory):
    document = {"home_site_id": "pune", "display_name": "Ravi", "joined_on": "2026-01-05"}
    response = await front.client.put("/v1/directory/persons/p-2", headers=HR, json=document)
    assert response.status_code == 200, response.text
    assert (
        response.json()
        == {
            "event_id": str(directory.recorded[0].event_id),
            "occurred_at": "2026-03-02T02:31:07.911000Z",
            "recorded_at": "2026-03-02T02:31:07.911000Z",
            "org_id": "acme",
            "person_id": "p-2",
            "left_on": None,
            "badge": None,
            "active": True,
            "default_shift_id": None,
            "authority": {"subject": "hr-1", "role": "hr", "sites": None},
            "earlier": [
                {
                    "replaced_on": "2026-03-02",
                    "home_site_id": "pune",
                    "default_shift_id": None,
                    "joined_on": None,
                    "left_on": None,
                    "active": True,
                }
            ],
            "former_badges": [],
        }
        | document
    )
    again = await front.client.put("/v1/directory/persons/p-2", headers=HR, json=document)
    assert again.json() == response.json()


@pytest.mark.parametrize(
    ("headers", "path", "content", "status", "slug"),
    [
        (HR, "persons/p-2", "{", 400, "malformed-json"),
        (HR, "persons/p-2", '{"home_site_id": "pune"}', 422, "invalid-request"),
        (HR, "persons/p:2", '{"home_site_id": "pune", "display_name": "x"}', 422, "invalid-request"),
        (HR, "persons/p-2", '{"home_site_id": "delhi", "display_name": "x"}', 422, "invalid-record"),
        (HR, "shifts/d", '{"name": "x", "start": "08:00", "end": "09:00"}', 422, "invalid-request"),
        (HR, "planets/mars", "{}", 404, "not-found"),
        (HR, "organisations/acme", '{"name": "x", "time_zone": "UTC"}', 403, "forbidden"),
        (bearer("s", "supervisor"), "sites/s", '{"name": "x", "time_zone": "UTC"}', 403, "forbidden"),
        ({}, "sites/s", "{}", 401, "token-needed"),
        (HR, "sites/s", '{"name": "x", "time_zone": "UTC", "name": "y"}', 400, "malformed-json"),
        (
            bearer("o", "ops", tenant="acme:site"),
            "sites/s",
            '{"name": "x", "time_zone": "UTC"}',
            403,
            "invalid-organisation",
        ),
        (HR, "sites/s", " " * 70_000, 413, "request-too-large"),
    ],
)
async def test_wrong_directory_records_are_refused(front, directory, headers, path, content, status, slug):
    headers = headers | {"Content-Type": "application/json"}
    response = await front.client.put(f"/v1/directory/{path}", headers=headers, content=content)
    assert_problem(response, status, slug)
    assert directory.recorded == []


CSV = "person_id,home_site_id,display_name\np-7,pune,Käte\np-8,pune,Ravi\n"


async def test_directory_records_are_taken_back(front, directory):
    policy = {"name": "Plant", "effective_on": "2026-01-01", "weekly_offs": ["sun"]}
    for path, document in (
        ("holidays/h-1", {"name": "New Year", "holiday_on": "2026-01-01"}),
        ("policies/plant", policy),
    ):
        assert (await front.client.put(f"/v1/directory/{path}", headers=HR, json=document)).status_code == 200
    url = "/v1/directory/policies/plant"
    without_date = await front.client.delete(url, headers=HR)
    assert (without_date.status_code, without_date.headers["content-type"]) == (422, MEDIA_TYPE)
    assert (
        await front.client.delete(url, headers=HR, params={"effective_on": "2026-01-01"})
    ).status_code == 204
    assert (await front.client.delete("/v1/directory/holidays/h-1", headers=HR)).status_code == 204
    again = await front.client.delete("/v1/directory/holidays/h-1", headers=HR)
    assert (again.status_code, again.json()["type"]) == (404, "urn:problem:not-recorded")
    assert not [key for key in directory.view.records if key.startswith(("acme:holiday", "acme:policy"))]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "persons/p-1", "PUT"),
        ("POST", "holidays/h-1", "DELETE, PUT"),
        ("GET", "holidays/import", "DELETE, POST, PUT"),
    ],
)
async def test_a_wrong_method_is_told_all_right_ones(front, method, path, allowed):
    response = await front.client.request(method, f"/v1/directory/{path}", headers=HR)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed


async def test_files_are_imported_as_body_or_as_form(front, directory):
    url = "/v1/directory/persons/import"
    headers = HR | {"Content-Type": "text/csv; charset=utf-8"}
    response = await front.client.post(url, headers=headers, content=CSV.encode())
    assert response.json() == {"kind": "persons", "recorded": 2, "unchanged": 0}, response.text
    again = await front.client.post(url, headers=HR, files={"file": ("people.csv", CSV.encode(), "text/csv")})
    assert again.json() == {"kind": "persons", "recorded": 0, "unchanged": 2}
    assert [event.display_name for event in directory.recorded] == ["Käte", "Ravi"]


async def test_wrong_files_are_refused_with_their_lines(front, directory):
    url = "/v1/directory/persons/import"
    headers = HR | {"Content-Type": "text/csv"}
    text = CSV + "p-9,delhi,x\n,pune,x\n"
    response = await front.client.post(url, headers=headers, content=text.encode())
    problem = assert_problem(response, 422, "invalid-record")
    assert [(error["line"], error["field"]) for error in problem["errors"]] == [
        (4, "home_site_id"),
        (5, "person_id"),
    ]
    assert problem["error_count"] == 2
    too_large = await front.client.post(url, headers=headers, content=CSV.encode() * 1000)
    assert_problem(too_large, 413, "request-too-large")
    as_json = await front.client.post(url, headers=HR, json={})
    assert_problem(as_json, 415, "unsupported-media-type")
    assert directory.recorded == []


async def test_a_refused_file_is_a_short_line_and_a_short_answer(front):
    lines = "".join(f"p {number},pu ne,{'x' * 300}\n" for number in range(25))
    headers = HR | {"Content-Type": "text/csv"}
    content = "person_id,home_site_id,display_name\n" + lines
    with capture_logs() as logged:
        response = await front.client.post("/v1/directory/persons/import", headers=headers, content=content)
    assert_problem(response, 422, "invalid-record")
    (line,) = logged
    assert len(line["reason"]) < 800
    assert line["reason"].endswith("more")
    one = await front.client.post(
        "/v1/directory/persons/import", headers=headers, content=content.partition("p 1")[0]
    )
    assert "mend one error: person_id: 'p 0' is no id" in one.json()["detail"]


async def test_a_directory_outage_asks_to_come_back(front, directory):
    directory.is_away = True
    response = await front.client.put(
        "/v1/directory/sites/s", headers=HR, json={"name": "x", "time_zone": "UTC"}
    )
    assert_problem(response, 503, "temporarily-unavailable")


async def test_operations_and_description_are_served(front):
    assert (await front.client.get("/health/live")).status_code == 200
    assert (await front.client.get("/health/ready")).status_code == 200
    assert "ingest_requests_total" in (await front.client.get("/metrics")).text
    assert (await front.client.get("/docs")).status_code == 200
    description = (await front.client.get("/openapi.json")).json()
    assert {"/v1/captures", "/v1/enrolments", "/v1/directory/shifts/{identity}"} <= set(description["paths"])
    capture = description["paths"]["/v1/captures"]["post"]
    form = capture["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["metadata", "image"]
    assert form["properties"]["metadata"]["examples"][0]["device_sequence"] == 1842
    assert capture["security"] == [{"HTTPBearer": []}]
    assert "$defs" not in json.dumps(description["paths"])


ERASURE_URL = "/v1/people/p-1/biometrics"


async def test_hr_erases_biometrics_and_the_log_says_who_but_not_whom(front, publisher, now):
    with capture_logs() as logs:
        response = await front.client.delete(ERASURE_URL, headers=HR)
    assert response.status_code == 202, response.text
    [(topic, event)] = publisher.published
    assert topic is ENROLMENTS
    assert isinstance(event, PersonErased)
    assert ENROLMENTS.key_of(event) == b"acme:p-1"
    assert (event.person_id, event.org_id, event.authority.subject, event.occurred_at) == (
        "p-1",
        "acme",
        "hr-1",
        now,
    )
    assert response.json() == {
        "erasure_id": str(event.erasure_id),
        "status": "requested",
        "requested_at": now.isoformat().replace("+00:00", "Z"),
    }
    [line] = [entry for entry in logs if entry["event"] == "audit"]
    assert (line["action"], line["actor"], line["org_id"]) == ("erase-biometrics", "hr-1", "acme")
    assert line["erasure_id"] == str(event.erasure_id)
    assert "p-1" not in str(logs).replace("hr-1", "")
    assert front.sample("ingest_requests_total", operation="erasure", outcome="accepted") == 1


async def test_each_erasure_is_one_of_its_own(front, publisher):
    for _ in range(2):
        assert (await front.client.delete(ERASURE_URL, headers=HR)).status_code == 202
    assert len({event.event_id for _, event in publisher.published}) == 2


@pytest.mark.parametrize(
    ("headers", "person_id", "status", "slug"),
    [
        ({}, "p-1", 401, "token-needed"),
        (OPS, "p-1", 403, "forbidden"),
        (GATE, "p-1", 403, "forbidden"),
        (bearer("a-1", "analyst", "supervisor"), "p-1", 403, "forbidden"),
        (HR, "p-unmistakable", 404, "unknown-person"),
        (bearer("hr-1", "hr", tenant="globex"), "p-1", 404, "unknown-person"),
    ],
)
async def test_others_do_not_erase(front, publisher, headers, person_id, status, slug):
    with capture_logs() as logs:
        response = await front.client.delete(f"/v1/people/{person_id}/biometrics", headers=headers)
    assert_problem(response, status, slug)
    assert publisher.published == []
    assert "p-unmistakable" not in str(logs)


async def test_an_erasure_that_kafka_does_not_have_is_not_acknowledged(front, publisher):
    publisher.is_away = True
    response = await front.client.delete(ERASURE_URL, headers=HR)
    assert_problem(response, 503, "temporarily-unavailable")
    assert int(response.headers["Retry-After"]) >= 1
