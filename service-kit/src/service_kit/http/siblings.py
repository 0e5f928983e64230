"""Several processes behind one port answer for health and metrics as one; each is one of these workers.

Whom the kernel gives a connection to is chance. So who is asked for `/health/...` or `/metrics` on the shared
port asks all workers, each on a socket of its own that nobody outside reaches, and puts the answers together:
ready when all are ready, and every sample with a label `worker`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

# A worker's health checks have 2 s each, side by side.
ANSWERS_WITHIN_SECONDS = 3.0
OPERATIONS = frozenset({"/health/live", "/health/ready", "/metrics"})


@dataclass(frozen=True, slots=True)
class Worker:
    """This process among `count`: what it shares with the others, and where each can be asked alone."""

    number: int
    count: int
    listening: socket.socket
    folder: Path

    def own_socket(self, number: int | None = None) -> Path:
        """Return the path of a worker's own socket; by default this one's."""
        return self.folder / f"worker-{self.number if number is None else number}.sock"

    async def ask(self, number: int, path: str) -> httpx.Response | None:
        """Ask one worker; None when it does not answer in time, or is being started again."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.own_socket(number)))
        async with httpx.AsyncClient(transport=transport, timeout=ANSWERS_WITHIN_SECONDS) as client:
            try:
                return await client.get(f"http://worker{path}")
            except httpx.TransportError:
                return None


_this: list[Worker] = []


def become(worker: Worker) -> None:
    """Be this worker from now on; once in a process, before it serves."""
    _this.append(worker)


def this_worker() -> Worker | None:
    """Return which worker this process is; None when it serves alone."""
    return _this[-1] if _this else None


class Together:
    """An ASGI app around a worker's own, which answers for health and metrics in the name of all."""

    def __init__(self, app: ASGIApp, worker: Worker) -> None:
        self._app = app
        self._worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "http" and scope["path"] in OPERATIONS and scope["method"] == "GET":
            answer = await self._answer(scope["path"])
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, path: str) -> Response:
        numbers = range(self._worker.count)
        answers = await asyncio.gather(*(self._worker.ask(number, path) for number in numbers))
        if path == "/metrics":
            texts = {number: each.text for number, each in enumerate(answers) if each is not None}
            return Response(_merged(texts), media_type=CONTENT_TYPE_LATEST)
        # Who is gone is started again by the supervisor: nothing that a restart of all would mend.
        return _health([each for each in answers if each] if path == "/health/live" else answers)


def _health(answers: Iterable[httpx.Response | None]) -> Response:
    workers: list[dict[str, Any]] = []
    for each in answers:
        silent = {"status": "failing", "checks": {"worker": "it does not answer; it may be starting"}}
        workers.append(silent if each is None else json.loads(each.text))
    is_well = bool(workers) and all(each["status"] == "ok" for each in workers)
    body = {"status": "ok" if is_well else "failing", "workers": workers}
    return JSONResponse(body, status_code=200 if is_well else 503, headers={"Cache-Control": "no-store"})


def _merged(texts: dict[int, str]) -> bytes:
    """Return the metrics of all workers, told apart by a label."""

    class Merged(Collector):
        def collect(self) -> Iterator[Metric]:
            families: dict[str, Metric] = {}
            for number, text in texts.items():
                for family in text_string_to_metric_families(text):
                    kept = families.setdefault(
                        family.name, Metric(family.name, family.documentation, family.type)
                    )
                    for sample in family.samples:
                        labels = {**sample.labels, "worker": str(number)}
                        kept.add_sample(sample.name, labels, sample.value, sample.timestamp)
            yield from families.values()

    registry = CollectorRegistry()
    registry.register(Merged())
    return generate_latest(registry)
