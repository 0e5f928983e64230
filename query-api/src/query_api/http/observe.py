"""Around every request: correlation id in and out, a span, metrics by route, no caching of personal data."""

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.metrics import QueryApiMetrics
from service_kit.observing.telemetry import CORRELATION_ID, TRACEPARENT, extract_context, tracer

CORRELATION_HEADER = "X-Correlation-ID"
# What a client sends ends up in logs; anything else is replaced.
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPERATIONS = ("/health/", "/metrics")


class ObservedApp:
    """An ASGI app around another, outermost, so that even the answer to a bug carries the correlation id."""

    def __init__(self, app: ASGIApp, metrics: QueryApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, observed."""
        if scope["type"] != "http" or scope["path"].startswith(_OPERATIONS):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(CORRELATION_HEADER, "")
        correlation_id = given if _USABLE_ID.fullmatch(given) else str(uuid.uuid4())
        status = 500

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer[CORRELATION_HEADER] = correlation_id
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        carrier = [(CORRELATION_ID, correlation_id.encode())]
        if parent := headers.get(TRACEPARENT):
            carrier.append((TRACEPARENT, parent.encode()))
        started = time.perf_counter()
        try:
            with extract_context(carrier), tracer(__name__).start_as_current_span("http request") as span:
                await self._app(scope, receive, observed_send)
                span.update_name(f"{scope['method']} {_route(scope)}")
                span.set_attribute("http.response.status_code", status)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    # The template and never the path: paths hold ids.
    return getattr(scope.get("route"), "path", "unmatched")
