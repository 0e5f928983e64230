"""Bodies that no honest sender makes: on every route that reads one, a problem says what to mend."""

import json

import pytest

from attendance_testing.fake_tokens import FOREMAN, GATE, HR, bearer

PERSON = {"home_site_id": "pune", "display_name": "Asha"}
URL = "/v1/directory/persons/p-7"
NESTED = [
    b"[" * 16_000,
    b'{"a":' * 3000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"display_name":' + b"[" * 900,
]
OPS = bearer("ops-1", "ops")


async def json_routes(front) -> list[tuple[str, str, dict[str, str]]]:
    """Return method, path and a token of every route that reads JSON."""
    document = (await front.client.get("/openapi.json")).json()
    routes = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "application/json" in operation.get("requestBody", {}).get("content", {}):
                headers = GATE if path == "/v1/punches" else HR if "/directory" not in path else OPS
                routes.append((method.upper(), path.replace("{identity}", "x-1"), headers))
    assert len(routes) > 15
    return routes


@pytest.mark.parametrize("body", NESTED, ids=lambda body: str(body[:12]))
async def test_endless_nesting_is_malformed_on_every_route(front, body):
    for method, path, headers in await json_routes(front):
        response = await front.client.request(
            method, path, headers=headers | {"Content-Type": "application/json"}, content=body
        )
        assert response.status_code in (400, 422), (path, response.text)
        assert response.json()["type"] in ("urn:problem:malformed-json", "urn:problem:invalid-request")


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"),
        *("application/json; charset=undefined", "multipart/form-data; boundary=x", "application/jsonp", ""),
    ],
)
async def test_a_document_is_json_in_utf_8_on_every_route(front, media_type):
    for method, path, headers in await json_routes(front):
        response = await front.client.request(
            method, path, headers=headers | {"Content-Type": media_type}, content=b"{}"
        )
        assert (response.status_code, response.json()["type"]) == (
            415,
            "urn:problem:unsupported-media-type",
        ), path


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_in_utf_8_is_read(front, media_type):
    content = json.dumps(PERSON | {"display_name": "Zoë"}, ensure_ascii=False).encode()
    response = await front.client.put(URL, headers=HR | {"Content-Type": media_type}, content=content)
    assert (response.status_code, response.json()["display_name"]) == (200, "Zoë")


@pytest.mark.parametrize(
    "body", [json.dumps(PERSON).encode("utf-16"), b'{"display_name": NaN}', b"\xff{}", b'{"a": 1e5, "a": 2}']
)
async def test_what_is_no_json_is_malformed(front, body):
    headers = HR | {"Content-Type": "application/json"}
    response = await front.client.put(URL, headers=headers, content=body)
    assert (response.status_code, response.json()["type"]) == (400, "urn:problem:malformed-json")


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "\u200b", "a\u202eb", "a\nb"])
async def test_a_name_that_nobody_can_read_is_named(front, directory, name):
    content = json.dumps(PERSON | {"display_name": name})
    headers = HR | {"Content-Type": "application/json"}
    response = await front.client.put(URL, headers=headers, content=content)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "body.display_name")
    assert directory.recorded == []


async def test_a_cell_that_nobody_can_read_is_named(front, directory):
    for cell in ("a\x00b", "a\u202eb", "\u200b"):
        text = f"person_id,home_site_id,display_name\np-7,pune,{cell}\n"
        response = await front.client.post(
            "/v1/directory/persons/import", headers=HR | {"Content-Type": "text/csv"}, content=text.encode()
        )
        assert (response.status_code, response.json()["errors"][0]["line"]) == (422, 2), response.text
    assert directory.recorded == []


async def test_half_a_character_as_a_name_of_a_field_is_refused(front):
    headers = HR | {"Content-Type": "application/json"}
    content = '{"home_site_id": "pune", "display_name": "x", "\\ud800": 1}'
    response = await front.client.put(URL, headers=headers, content=content)
    assert (response.status_code, response.json()["type"]) == (422, "urn:problem:invalid-request")


async def test_reasons_and_consents_are_readable(front):
    addition = {"correction_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0001", "person_id": "p-2"}
    addition |= {"punched_at": "2026-03-01T08:00:00Z", "reason": "a\x00b"}
    response = await front.post("/v1/corrections/additions", addition, FOREMAN)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "body.reason")
    metadata = json.dumps({"person_id": "p-2", "consent_reference": "a\x00b"})
    response = await front.client.post(
        "/v1/enrolments", headers=HR, data={"metadata": metadata}, files={"photo": ("a.jpg", b"x")}
    )
    assert (response.status_code, response.json()["errors"][0]["field"]) == (
        422,
        "metadata.consent_reference",
    )


@pytest.mark.parametrize("metadata", ["[" * 16_000, '{"a":' * 3000])
async def test_endless_metadata_is_malformed(front, metadata):
    response = await front.client.post(
        "/v1/captures", headers=GATE, data={"metadata": metadata}, files={"image": ("a.jpg", b"x")}
    )
    assert (response.status_code, response.json()["type"]) == (400, "urn:problem:malformed-json")


@pytest.mark.parametrize(
    "media_type", ["MULTIPART/FORM-DATA; BOUNDARY=x", 'multipart/form-data; Charset=UTF-8; Boundary="x"']
)
async def test_a_form_says_so_in_any_case(front, directory, media_type):
    file = b"person_id,home_site_id,display_name\r\np-9,pune,Asha"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n%b\r\n--x--\r\n'
    response = await front.client.post(
        "/v1/directory/persons/import", headers=HR | {"Content-Type": media_type}, content=part % file
    )
    assert (response.status_code, response.json().get("recorded")) == (200, 1)


@pytest.mark.parametrize("charset", ["undefined", "punycode", "utf-16", "zlib", "utf-8''x", "ÿ"])
async def test_a_form_is_in_utf_8(front, charset):
    body = b'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n\xc3\xab{}\r\n--x--\r\n'
    media_type = f"multipart/form-data; boundary=x; charset={charset}".encode("latin-1")
    for path, headers in (("captures", GATE), ("enrolments", HR), ("directory/persons/import", HR)):
        response = await front.client.post(
            f"/v1/{path}", headers=[*headers.items(), (b"Content-Type", media_type)], content=body
        )
        assert (response.status_code, response.json()["type"]) == (415, "urn:problem:unsupported-media-type")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ABSENT", "worked_minutes": 480},
        {"status": "ABSENT", "first_in_at": "2026-03-02T08:00:00Z"},
        {"worked_minutes": 60, "overtime_minutes": 61},
        {"overtime_minutes": 1440},
        {"worked_minutes": 61, "first_in_at": "2026-03-02T08:00:00Z", "last_out_at": "2026-03-02T09:00:00Z"},
        {"worked_minutes": True},
        {"worked_minutes": "10"},
        {"worked_minutes": 10.0},
        {"first_in_at": "0001-01-01T00:00:00+14:00"},
        {"first_in_at": "2026-02-28T09:59:59Z"},
        {"worked_minutes": 60, "first_in_at": "2001-03-02T08:00:00Z", "last_out_at": "2026-03-02T09:00:00Z"},
        {"first_in_at": "2026-03-02T08:00:00Z", "last_out_at": "2026-03-05T12:00:01Z"},
        {"last_out_at": "9999-12-31T23:59:59-12:00"},
        {"shift_id": "never-recorded"},
    ],
)
async def test_an_override_that_does_not_agree_is_refused(front, publisher, changes):
    right = {"correction_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0002", "reason": "asked", "person_id": "p-2"}
    right |= {"attendance_on": "2026-03-02", "status": "PRESENT"}
    response = await front.post("/v1/corrections/overrides", right | changes, HR)
    assert response.status_code == 422, response.text
    assert publisher.published == []
    agreeing = {"worked_minutes": 60, "overtime_minutes": 60}
    agreeing |= {"first_in_at": "2026-03-02T08:00:00Z", "last_out_at": "2026-03-02T09:00:00Z"}
    assert (await front.post("/v1/corrections/overrides", right | agreeing, HR)).status_code == 202


async def test_an_addition_at_a_site_that_is_not_recorded_is_refused(front, publisher):
    addition = {
        "correction_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0003",
        "reason": "asked",
        "person_id": "p-2",
    }
    addition |= {"punched_at": "2026-03-01T08:00:00Z", "site_id": "never-recorded"}
    response = await front.post("/v1/corrections/additions", addition, HR)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == "site_id"
    assert "record it first" in error["message"]
    assert publisher.published == []


async def test_a_version_is_taken_back_by_a_date_in_one_spelling(front):
    for effective_on in ("1767225600", "2026-W01-4", "20260101"):
        url = f"/v1/directory/policies/plant?effective_on={effective_on}"
        response = await front.client.delete(url, headers=HR)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "query.effective_on")
