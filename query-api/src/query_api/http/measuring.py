"""Around every request: metrics by route, and no caching of personal data."""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.metrics import QueryApiMetrics
from service_kit.http.request_context import route_of

_OPERATIONS = ("/health/", "/metrics")


class MeasuredApp:
    """An ASGI app around another; what probes and scrapers ask is not counted."""

    def __init__(self, app: ASGIApp, metrics: QueryApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, measured."""
        if scope["type"] != "http" or scope["path"].startswith(_OPERATIONS):
            await self._app(scope, receive, send)
            return
        status = 500

        async def measured_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, measured_send)
        finally:
            route = route_of(scope) or "unmatched"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
