"""Signals and serving, with a real process and a real socket."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service_kit.http.serve import serve

PROGRAM = """
import asyncio, sys
from service_kit.run import run

async def main(stopping):
    print("started", flush=True)
    await stopping.wait()
    print("stopping", flush=True)
    if "hang" in sys.argv:
        await asyncio.sleep(600)
    return 3

sys.exit(run(main))
"""


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text == line.strip():
            return
    raise AssertionError(f"the process ended without {text!r}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_main_finish(number: signal.Signals) -> None:
    with running() as process:
        process.send_signal(number)
        assert process.wait(10) == 3


def test_the_second_signal_ends_the_process_at_once() -> None:
    with running("hang") as process:
        process.send_signal(signal.SIGTERM)
        read_until(process, "stopping")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


async def test_requests_under_way_finish_when_the_service_stops() -> None:
    entered, release, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def slow(_request: Request) -> PlainTextResponse:
        entered.set()
        await release.wait()
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/slow", slow)])
    handler = signal.getsignal(signal.SIGTERM)
    serving = asyncio.create_task(
        serve(
            app,
            "127.0.0.1",
            0,
            stopping=stopping,
            drain=timedelta(seconds=5),
            on_listening=port.set_result,
        )
    )
    async with httpx.AsyncClient() as http:
        asking = asyncio.create_task(http.get(f"http://127.0.0.1:{await port}/slow"))
        await entered.wait()
        assert signal.getsignal(signal.SIGTERM) is handler
        stopping.set()
        await asyncio.sleep(0)
        release.set()
        assert (await asking).text == "done"
    await asyncio.wait_for(serving, 10)
