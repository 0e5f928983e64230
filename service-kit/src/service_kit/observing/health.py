"""Is the process alive, is it ready: named checks for `/health/live` and `/health/ready`, and `/metrics`.

Live fails when only a restart helps; ready fails while a dependency is away. An outage must not restart
processes, so a loop that waits for a dependency and knows it counts as progress.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service_kit.observing.dependencies import Check, Dependency


@dataclass(frozen=True, slots=True)
class Report:
    """The result of checks: None where all is well, else the reason."""

    checks: dict[str, str | None]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return not any(self.checks.values())


class Health:
    """Named checks; a check that takes longer than `timeout` has failed."""

    def __init__(
        self, *, timeout: timedelta = timedelta(seconds=2), watch_every: timedelta = timedelta(seconds=2)
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._notes: dict[str, Callable[[], str]] = {}
        self._watched: dict[str, Check] = {}
        self._watch_every = watch_every.total_seconds()

    def add_live(self, name: str, check: Check) -> None:
        """Add a check whose failure calls for a restart."""
        self._live[name] = check

    def add_ready(self, name: str, check: Check) -> None:
        """Add a check whose failure means: no traffic now."""
        self._ready[name] = check

    def need(self, dependency: Dependency) -> None:
        """Be ready only while this dependency answers."""
        self._watched[dependency.name] = dependency.check
        self.add_ready(dependency.name, dependency.check)

    def use(self, dependency: Dependency) -> None:
        """Show beside the checks whether this dependency answers; the service does without it."""
        self._watched[dependency.name] = dependency.check
        self.add_note(dependency.name, dependency.describe)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Ask the dependencies all the time, so that outages are told where nobody asks for readiness."""

        async def watch() -> None:
            while True:
                await self._run(self._watched)
                await asyncio.sleep(self._watch_every)

        watcher = asyncio.create_task(watch(), name="watch dependencies")
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.wait({watcher})

    def add_note(self, name: str, note: Callable[[], str]) -> None:
        """Add what people should see beside the checks; it decides nothing."""
        self._notes[name] = note

    async def live(self) -> Report:
        """Run the live checks."""
        return await self._run(self._live)

    async def ready(self) -> Report:
        """Run all checks."""
        return await self._run(self._live | self._ready)

    async def _run(self, checks: dict[str, Check]) -> Report:
        # A check that fails is a result, not an error.
        results = await asyncio.gather(
            *(self._one(check) for check in checks.values()), return_exceptions=True
        )
        reasons = {name: _reason(result) for name, result in zip(checks, results, strict=True)}
        return Report(reasons, {name: note() for name, note in self._notes.items()})

    async def _one(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        return None


def _reason(result: str | BaseException | None) -> str | None:
    return (str(result) or repr(result)) if isinstance(result, BaseException) else result


class ProgressWatchdog:
    """Fails when there is lag but nothing progressed for `limit`; add `check` as a live check."""

    def __init__(
        self, lag: Callable[[], int], limit: timedelta, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lag = lag
        self._limit = limit.total_seconds()
        self._clock = clock
        self._since = clock()

    def progressed(self) -> None:
        """Note that something was done, or is known to wait for a dependency."""
        self._since = self._clock()

    async def check(self) -> None:
        """Raise when there is lag without progress for too long."""
        lag = self._lag()
        if lag == 0:
            self.progressed()
        elif (silent := self._clock() - self._since) > self._limit:
            raise StalledError(f"{lag} records wait and nothing has progressed for {silent:.0f} s: restart")


class StalledError(Exception):
    """There is work and none of it gets done."""


def operations_app(health: Health, registry: CollectorRegistry) -> Starlette:
    """Make the app with `/health/live`, `/health/ready` and `/metrics`; to serve alone or to mount."""
    app = Starlette(routes=operations_routes(health, registry))
    app.router.redirect_slashes = False  # a redirect would repeat whatever Host the sender named
    return app


def operations_routes(health: Health, registry: CollectorRegistry) -> list[Route]:
    """Make the routes of `operations_app`, to add to an app that has others."""

    async def live(_request: Request) -> Response:
        return _answer(await health.live())

    async def ready(_request: Request) -> Response:
        return _answer(await health.ready())

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/health/live", live, include_in_schema=False),
        Route("/health/ready", ready, include_in_schema=False),
        Route("/metrics", metrics, include_in_schema=False),
    ]


def _answer(report: Report) -> Response:
    body: dict[str, object] = {
        "status": "ok" if report.ok else "failing",
        "checks": {name: reason or "ok" for name, reason in report.checks.items()},
    }
    if report.notes:
        body["notes"] = report.notes
    return JSONResponse(body, status_code=200 if report.ok else 503, headers={"Cache-Control": "no-store"})
