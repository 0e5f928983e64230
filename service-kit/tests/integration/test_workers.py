"""Several processes behind one port: one service to those who ask, though each works for itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from attendance_testing.polling import eventually
from local_stack.running.ports import free_port

pytestmark = pytest.mark.timeout(120)

COUNTER = """
import asyncio, os
from pathlib import Path
from typing import ClassVar
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from service_kit.command import Workers, command_line, count_of_workers, serve_until_stopped
from service_kit.errors import TransientFailure
from service_kit.http.serve import serve
from service_kit.observing.health import Health, operations_routes
from service_kit.settings import HttpSettings

class Settings(HttpSettings):
    env_prefix: ClassVar[str] = "COUNTER_"
    folder: Path = Path()

class Refused(Exception):
    pass

async def count(settings, stopping):
    registry, health = CollectorRegistry(), Health()
    asked = Counter("counter_asked", "Requests.", registry=registry)

    async def answer(request):
        asked.inc()
        return PlainTextResponse(str(os.getpid()))

    async def slow(request):
        (settings.folder / "slow").touch()
        while not (settings.folder / "release").exists():
            await asyncio.sleep(0.01)
        return PlainTextResponse("late")

    async def end(request):
        ends.append(Refused("mend it") if request.path_params["how"] == "refused" else RuntimeError("a bug"))
        stopping.set()
        return PlainTextResponse("ending")

    async def check():
        if (settings.folder / f"away-{os.getpid()}").exists():
            raise TransientFailure("server", "away")

    ends = []
    health.add_ready("server", check)
    routes = [Route("/", answer), Route("/slow", slow), Route("/end/{how}", end)]
    app = Starlette(routes=[*routes, *operations_routes(health, registry)])
    await serve(app, settings.host, settings.port, tls=settings.tls(), stopping=stopping)
    if ends:
        raise ends[0]

def run(*, workers: Workers = None):
    serve_until_stopped("counter", Settings, count, refusals=(Refused,), workers=count_of_workers(workers))

command_line("counter", "Count.", Settings, run)(prog_name="counter")
"""
WORKERS = 3


@dataclass
class Counting:
    process: "subprocess.Popen[bytes]"
    url: str
    folder: Path

    async def ask(self, path: str = "/") -> httpx.Response:
        """Ask on a connection of its own: any worker may answer."""
        async with httpx.AsyncClient(timeout=20) as client:
            return await client.get(self.url + path)

    async def workers(self) -> set[int]:
        """Ask until each worker has answered; return their process ids."""
        found: set[int] = set()
        async with asyncio.timeout(30):
            while len(found) < WORKERS:
                found.add(int((await self.ask()).text))
        return found

    async def until(self, path: str, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
        async with asyncio.timeout(30):
            while True:
                try:
                    if holds(response := await self.ask(path)):
                        return response
                except httpx.TransportError:
                    assert self.process.poll() is None
                await asyncio.sleep(0.02)

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 30)


def started(folder: Path, port: int, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    own = {"COUNTER_PORT": str(port), "COUNTER_FOLDER": str(folder), **variables}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", COUNTER, *arguments], env={**os.environ, **own}, stdout=log, stderr=log
        )


@asynccontextmanager
async def running(folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Counting]:
    port = free_port()
    counting = Counting(started(folder, port, *arguments, **variables), f"http://127.0.0.1:{port}", folder)
    try:
        await counting.until("/health/ready", lambda response: response.is_success)
        yield counting
    finally:
        counting.process.kill()
        counting.process.wait()


@pytest.fixture
async def counting(tmp_path: Path) -> AsyncIterator[Counting]:
    async with running(tmp_path, "run", "--workers", str(WORKERS)) as found:
        yield found


def samples(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith("counter_asked_total")]
    return {name: float(value) for name, _, value in lines}


async def test_metrics_are_those_of_all_workers_whoever_is_asked(counting: Counting) -> None:
    await counting.workers()
    before = samples((await counting.ask("/metrics")).text)
    assert before.keys() == {f'counter_asked_total{{worker="{number}"}}' for number in range(WORKERS)}
    for _ in range(20):
        await counting.ask()
    for _ in range(10):  # any worker
        assert sum(samples((await counting.ask("/metrics")).text).values()) == sum(before.values()) + 20


async def test_ready_means_that_all_workers_are(counting: Counting) -> None:
    workers = await counting.workers()
    (counting.folder / f"away-{min(workers)}").touch()
    for _ in range(10):
        answer = await counting.ask("/health/ready")
        assert answer.status_code == 503
        assert sorted(each["status"] for each in answer.json()["workers"]) == ["failing", "ok", "ok"]
        assert (await counting.ask("/health/live")).status_code == 200


async def test_a_killed_worker_is_started_again_in_its_place(counting: Counting) -> None:
    workers = await counting.workers()
    os.kill(min(workers), signal.SIGKILL)
    await counting.until("/", lambda response: int(response.text) not in workers)
    await counting.until("/health/ready", lambda response: response.is_success)
    assert len(await counting.workers() - workers) == 1
    assert len(samples((await counting.ask("/metrics")).text)) == WORKERS


async def test_a_stop_lets_requests_under_way_finish(counting: Counting) -> None:
    asking = asyncio.create_task(counting.ask("/slow"))
    await eventually(lambda: asyncio.to_thread((counting.folder / "slow").exists))
    counting.process.send_signal(signal.SIGTERM)
    (counting.folder / "release").touch()
    assert (await asking).text == "late"
    assert await counting.ended() == 0


async def test_workers_whose_supervisor_was_killed_free_the_port(counting: Counting) -> None:
    workers = await counting.workers()
    counting.process.kill()
    await eventually(lambda: asyncio.to_thread(lambda: not any(map(is_running, workers))))
    with pytest.raises(httpx.ConnectError):
        await counting.ask()


@pytest.mark.parametrize(("how", "code"), [("badly", 1), ("refused", 2)])
async def test_a_worker_that_ends_by_an_error_ends_all_with_its_code(
    counting: Counting, how: str, code: int
) -> None:
    await counting.ask(f"/end/{how}")
    assert await counting.ended() == code


async def test_the_number_comes_from_the_environment_too(tmp_path: Path) -> None:
    async with running(tmp_path, WEB_CONCURRENCY=str(WORKERS)) as counting:
        assert len((await counting.ask("/health/ready")).json()["workers"]) == WORKERS


async def test_one_worker_is_the_process_itself(tmp_path: Path) -> None:
    async with running(tmp_path) as counting:
        assert (await counting.ask()).text == str(counting.process.pid)
        assert "workers" not in (await counting.ask("/health/ready")).json()


@pytest.mark.parametrize("number", ["0", "many", "65", "-1"])
def test_another_number_is_refused(tmp_path: Path, number: str) -> None:
    process = started(tmp_path, 1, "run", f"--workers={number}")
    assert process.wait(30) == 2
    assert "--workers" in (tmp_path / "log").read_text()


async def test_a_port_that_is_taken_is_named(counting: Counting) -> None:
    port = int(counting.url.rpartition(":")[2])
    process = started(counting.folder, port, "run", "--workers", "2")
    assert await asyncio.to_thread(process.wait, 30) == 1
    last = json.loads((counting.folder / "log").read_text().splitlines()[-1])
    assert "COUNTER_PORT" in last["advice"]


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
