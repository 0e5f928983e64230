"""The correlation id and the trace of a request: taken from its headers or made up, bound, and sent back.

The caller's `X-Correlation-ID` is kept when it is 1 to 128 letters, digits, dots, underscores, colons and
hyphens of ASCII, as UUIDs, ULIDs and names like `till-7:42` are. Anything else is replaced by a new UUID:
the id ends up in logs, answers and headers of records. A `traceparent` is continued.
"""

from __future__ import annotations

import re
import uuid

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.observing.telemetry import CORRELATION_ID, TRACEPARENT, extract_context, tracer

CORRELATION_HEADER = "X-Correlation-ID"
_KEPT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_tracer = tracer(__name__)


class RequestContext:
    """An ASGI app around another, outermost, so that even the answer to a bug carries the correlation id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request inside its context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(CORRELATION_HEADER, "")
        identity = given if _KEPT_ID.fullmatch(given) else str(uuid.uuid4())
        carried = [(CORRELATION_ID, identity.encode("ascii"))]
        if TRACEPARENT in headers:
            carried.append((TRACEPARENT, headers[TRACEPARENT].encode("latin-1")))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_HEADER] = identity
                span.set_attribute("http.response.status_code", message["status"])
            await send(message)

        with (
            extract_context(carried),
            _tracer.start_as_current_span(scope["method"], kind=SpanKind.SERVER) as span,
        ):
            await self._app(scope, receive, send_with_id)
            if (route := route_of(scope)) is not None:
                span.update_name(f"{scope['method']} {route}")


def route_of(scope: Scope) -> str | None:
    """Return the template of the path that answered, never the path itself, which holds ids."""
    return getattr(scope.get("route"), "path", None)
