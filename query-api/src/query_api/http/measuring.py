"""Around every request: metrics by route, a line in the log, and no caching of personal data."""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.metrics import QueryApiMetrics
from service_kit.http.request_context import route_of
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

_OPERATIONS = ("/health/", "/metrics")
_UNAVAILABLE = 503


class MeasuredApp:
    """An ASGI app around another; what probes and scrapers ask is neither counted nor logged."""

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
            self._note(scope["method"], route_of(scope) or "unmatched", status, time.perf_counter() - started)

    def _note(self, method: str, route: str, status: int, seconds: float) -> None:
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        # Why a request got 503 is said where that was found, once a minute.
        if status != _UNAVAILABLE:
            # The route, not the path: that holds ids of people.
            log.info(
                "answered", method=method, route=route, status=status, milliseconds=round(seconds * 1000)
            )
