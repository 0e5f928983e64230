"""The trace of a request; its correlation id is in the suite that every app passes (attendance_testing)."""

import httpx
from fastapi import FastAPI
from opentelemetry import trace

from service_kit.http.request_context import RequestContext
from service_kit.observing.logs import correlation_id

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(RequestContext(app), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_the_callers_trace_goes_on_inside_the_request() -> None:
    app = FastAPI()

    @app.get("/things/{name}")
    async def things(name: str) -> list[str]:
        found = trace.get_current_span().get_span_context().trace_id
        return [format(found, "032x"), correlation_id.get() or ""]

    headers = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "X-Correlation-ID": "till-7:42"}
    async with client_of(app) as http:
        assert (await http.get("/things/a", headers=headers)).json() == [TRACE_ID, "till-7:42"]
        damaged = await http.get("/things/a", headers={b"traceparent": b"00-zz\xe9"})
    assert damaged.status_code == 200
    assert damaged.json()[0] != TRACE_ID
    assert correlation_id.get() is None


async def test_the_answer_to_a_bug_carries_the_id() -> None:
    app = FastAPI()

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    async with client_of(app) as http:
        answer = await http.get("/bug", headers={"X-Correlation-ID": "till-7:42"})
    assert (answer.status_code, answer.headers["X-Correlation-ID"]) == (500, "till-7:42")
