"""The correlation id and the trace of a request: taken from its headers or made up, bound, and sent back."""

import re
from uuid import uuid4

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.observing.telemetry import CORRELATION_ID, TRACEPARENT, extract_context, tracer

HEADER = "X-Correlation-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,128}")

_tracer = tracer(__name__)


class Correlation:
    """The outermost layer of the app, so that answers to our own failures carry the id too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request inside its context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(HEADER, "")
        identity = given if ACCEPTED.fullmatch(given) else str(uuid4())
        carried = [(CORRELATION_ID, identity.encode("ascii"))]
        if TRACEPARENT in headers:
            carried.append((TRACEPARENT, headers[TRACEPARENT].encode("latin-1")))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = identity
                span.set_attribute("http.response.status_code", message["status"])
            await send(message)

        with (
            extract_context(carried),
            _tracer.start_as_current_span(scope["method"], kind=SpanKind.SERVER) as span,
        ):
            await self._app(scope, receive, send_with_id)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
