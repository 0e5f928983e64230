import json

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from structlog.testing import capture_logs

from service_kit.http.every_error import answer_every_error
from service_kit.http.problems import MEDIA_TYPE, Problem, problem_response
from service_kit.observing.logs import bind_correlation_id


class Thing(BaseModel):
    size: int


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = FastAPI()
    answer_every_error(app)

    @app.post("/things")
    async def things(thing: Thing) -> dict[str, int]:
        if thing.size == 0:
            raise ZeroDivisionError("secret internals")
        if thing.size > 9:
            raise Problem(
                503, "away", "Not now", "The store is away.", {"Retry-After": "5"}, dependency="object-store"
            )
        return {"size": thing.size}

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_a_raised_problem_is_the_answer(http: httpx.AsyncClient) -> None:
    answer = await http.post("/things", json={"size": 10})
    assert (answer.status_code, answer.headers["content-type"]) == (503, MEDIA_TYPE)
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {
        "type": "urn:problem:away",
        "title": "Not now",
        "status": 503,
        "detail": "The store is away.",
        "dependency": "object-store",
    }


async def test_invalid_requests_name_their_fields(http: httpx.AsyncClient) -> None:
    answer = await http.post("/things", json={"size": "big"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json()["type"] == "urn:problem:invalid-request"
    assert answer.json()["errors"][0]["field"] == "body.size"
    assert "big" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "slug", "detail"),
    [
        ("GET", "/absent", 404, "not-found", "Nothing is at this address"),
        ("DELETE", "/things", 405, "method-not-allowed", "does not take DELETE; it takes POST"),
    ],
)
async def test_the_frameworks_errors_are_problems(
    http: httpx.AsyncClient, method: str, path: str, status: int, slug: str, detail: str
) -> None:
    answer = await http.request(method, path)
    assert detail in answer.json()["detail"]
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    assert answer.json()["type"] == f"urn:problem:{slug}"


async def test_a_wrong_method_is_told_the_methods_of_every_route_at_the_path() -> None:
    app, router = FastAPI(), APIRouter(prefix="/v1")
    answer_every_error(app)
    for path, method in (
        ("/{name}", "PUT"),
        ("/{name}", "DELETE"),
        ("/all", "POST"),
        ("/{name}/more", "GET"),
    ):
        router.add_api_route(path, lambda: None, methods=[method])
    app.include_router(router)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for path, allowed in (("/v1/one", "DELETE, PUT"), ("/v1/all", "DELETE, POST, PUT")):
            answer = await http.get(path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


async def test_a_bug_tells_nothing_of_its_insides(http: httpx.AsyncClient) -> None:
    with capture_logs() as logged:
        answer = await http.post("/things", json={"size": 0})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:problem:internal-error")
    assert "secret" not in answer.text
    assert [entry["log_level"] for entry in logged] == ["error"]


def test_a_problem_carries_the_correlation_id() -> None:
    with bind_correlation_id("abc"):
        assert b'"correlation_id":"abc"' in problem_response(Problem(400, "x", "X")).body


def test_half_a_character_of_a_request_can_be_quoted() -> None:
    response = problem_response(
        Problem(422, "invalid-request", "The request is not valid", "Mend: body.\ud800")
    )
    assert json.loads(response.body)["detail"] == "Mend: body.\ud800"
