"""Every field of every request that writes, as the description of the API names them, with what cannot be.

A generated test: a new route or field is tried without another word here.
"""

import copy
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from attendance_testing.fake_tokens import FOREMAN, GATE, HR, bearer
from attendance_testing.http_promises import FOREIGN

OPS = bearer("ops-1", "ops")
Path = tuple[str | int, ...]
UNREADABLE = ("a\x00b", "\ud800", "a\u202eb", "\u200b", "\x7f")
OF_ANOTHER_KIND: tuple[object, ...] = ("", 0, -1, 1.5, True, [], {}, "0001-01-01T00:00:00+14:00", "9" * 600)
A_UUID = "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55"


async def requests(front: Any) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return method, address, media type and schema of every body that is read as JSON."""
    document = (await front.client.get("/openapi.json")).json()
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                schema = content["schema"]
                if media_type == "multipart/form-data":
                    schema = schema["properties"].get("metadata", {})
                if schema.get("properties"):
                    address = path.replace("{identity}", "x-1")
                    found.append((method.upper(), address, media_type, schema))
    assert len(found) > 18
    return found


def texts_of(schema: dict[str, Any], at: Path = ()) -> Iterator[Path]:
    """Yield where a body has text: fields, items of lists, fields of objects in it."""
    for choice in schema.get("anyOf", [schema]):
        if choice.get("type") == "string" or "enum" in choice:
            yield at
        elif choice.get("type") == "array":
            yield from texts_of(choice["items"], (*at, 0))
        for name, field in choice.get("properties", {}).items():
            yield from texts_of(field, (*at, name))


def body_with(at: Path, value: object) -> Any:
    """Return a body of nothing but a value at a place."""
    for step in reversed(at):
        value = [value] if isinstance(step, int) else {step: value}
    return value


def who(path: str) -> dict[str, str]:
    """Return a token of somebody who may do it."""
    if path in ("/v1/captures", "/v1/punches"):
        return GATE
    return FOREMAN if path == "/v1/punches/supervised" else OPS if "/directory" in path else HR


async def send(front: Any, request: tuple[str, str, str, Any], body: Any) -> httpx.Response:
    method, path, media_type, _ = request
    content = json.dumps(body)
    if media_type == "multipart/form-data":
        part = "image" if path == "/v1/captures" else "photos"
        files = {part: ("a.png", b"x", "image/png"), "metadata": (None, content)}
        answer: httpx.Response = await front.client.request(method, path, headers=who(path), files=files)
        return answer
    headers = who(path) | {"Content-Type": media_type}
    answer = await front.client.request(method, path, headers=headers, content=content)
    return answer


@pytest.mark.parametrize("text", UNREADABLE, ids=ascii)
async def test_text_that_nobody_can_store_or_read_is_named(front, publisher, directory, images, text):
    tried = 0
    for request in await requests(front):
        for at in texts_of(request[3]):
            refused = await send(front, request, body_with(at, text))
            assert refused.status_code == 422, (request[:2], at, refused.text)
            names = {error["field"] for error in refused.json()["errors"] if error["message"] != "is missing"}
            assert any(name.endswith(".".join(map(str, at))) for name in names), (request[:2], at, names)
            assert not [word for word in FOREIGN if word in refused.text], refused.text
            tried += 1
    assert tried > 60
    assert (publisher.published, directory.recorded, images.objects) == ([], [], {})


@pytest.mark.parametrize("value", OF_ANOTHER_KIND, ids=lambda value: ascii(value)[:20])
async def test_a_value_of_another_kind_is_told_in_plain_words(front, value):
    for request in await requests(front):
        for name in [*request[3]["properties"], "nonsense"]:
            refused = await send(front, request, {name: copy.deepcopy(value)})
            assert refused.status_code == 422, (request[:2], name, refused.text)
            assert not [word for word in FOREIGN if word in refused.text], (request[:2], name, refused.text)


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, True, [[]], {"": ""}, {"\x00": 1}, {"\ud800": 1}], ids=ascii
)
async def test_what_is_no_document_is_told_in_plain_words(front, body):
    for request in await requests(front):
        refused = await send(front, request, body)
        assert refused.status_code == 422, (request[:2], refused.text)
        assert not [word for word in FOREIGN if word in refused.text], refused.text


@pytest.mark.parametrize("text", ["a\x00b", "a\u202eb", "\u200b", "\x7f"], ids=ascii)
async def test_cells_that_nobody_can_store_or_read_are_named_with_their_line(front, directory, text):
    tried = 0
    for method, path, _, schema in await requests(front):
        if method != "PUT":
            continue
        kind = path.split("/")[3]
        columns = [kind[:-1] + "_id", *schema["properties"]]
        for column in columns:
            buffer = io.StringIO()
            writer = csv.writer(buffer)
            writer.writerows([columns, [text if name == column else "" for name in columns]])
            refused = await front.client.post(
                f"/v1/directory/{kind}/import",
                headers=OPS | {"Content-Type": "text/csv"},
                content=buffer.getvalue().encode(),
            )
            assert refused.status_code == 422, (kind, column, refused.text)
            lines = {error.get("line") for error in refused.json()["errors"]}
            assert lines in ({2}, {1}), (kind, column, refused.text)
            assert not [word for word in FOREIGN if word in refused.text], refused.text
            tried += 1
    assert tried > 40
    assert directory.recorded == []


async def test_an_address_with_such_an_id_is_refused(front, directory):
    document = (await front.client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in methods:
            for wrong in ("a%00b", "%ed%a0%80", "%E2%80%AE", "a%0ab", "x" * 65):
                address = path.replace("{identity}", wrong).replace("{person_id}", wrong)
                if address != path:
                    refused = await front.client.request(method, address, headers=HR, json={})
                    assert refused.status_code in (404, 422), (method, address, refused.text)
                    assert not [word for word in FOREIGN if word in refused.text], refused.text
    assert directory.recorded == []
