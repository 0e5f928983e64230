"""Serve an ASGI app inside the service's own event loop; the signals stay with `service_kit.run`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from service_kit.errors import CannotListen
from service_kit.http.deadlines import USUAL, Deadlines, protocol_with
from service_kit.http.siblings import Together, this_worker
from service_kit.tls import TlsListening


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    stopping: asyncio.Event | None = None,
    tls: TlsListening | None = None,
    drain: timedelta = timedelta(seconds=10),
    deadlines: Deadlines = USUAL,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stopping` is set (without it: until cancelled); requests under way get `drain` to finish.

    With `tls` nothing else is spoken. `on_listening` is called once with the port, which the system chooses
    when `port` is 0. A worker serves on what it shares with the others, and on a socket of its own.

    Raises:
        CannotListen: the port is taken, or this machine has no such address.
    """
    worker = this_worker()
    listening = listen(host, port) if worker is None else worker.listening
    outermost = app if worker is None else Together(app, worker)
    servers = [_server(outermost, deadlines, drain, tls, lifespan="auto")]
    serving = [asyncio.create_task(servers[0].serve(sockets=[listening]))]
    if worker is not None:
        servers.append(_server(app, deadlines, drain, None, lifespan="off", uds=str(worker.own_socket())))
        serving.append(asyncio.create_task(servers[1].serve()))
    stop = asyncio.create_task((stopping or asyncio.Event()).wait())
    try:
        if on_listening is not None:
            on_listening(listening.getsockname()[1])
        await asyncio.wait({*serving, stop}, return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        for task in serving:
            await task
    finally:
        stop.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.wait(serving)
        listening.close()


def _server(
    app: ASGIApp, deadlines: Deadlines, drain: timedelta, tls: TlsListening | None, **options: Any
) -> _Server:
    config = uvicorn.Config(
        app,
        http=protocol_with(deadlines, frozenset() if tls is None else tls.names),
        ssl_context_factory=None if tls is None else lambda _config, _usual: tls.context,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=max(1, round(deadlines.idle.total_seconds())),
        timeout_graceful_shutdown=max(1, round(drain.total_seconds())),
        **options,
    )
    return _Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket; uvicorn's own way ends the process without a word of which port it was."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotListen(host, port, error.strerror or str(error)) from error
    return listening
