"""Nobody keeps a connection open by sending slowly: headers and bodies have deadlines, which no byte extends.

The server has no deadline of its own for what comes in. A sender who misses one is answered with the problem
408, if an answer can still be given, and hung up on; so is one who sends what is no HTTP, with the problem
400. A deadline ends with the last byte of a request: how long the service takes is its own affair. A TLS
handshake that does not end has the event loop's own deadline, 60 s.

Where clients must show certificates, one whose name is not among those let in gets the problem 403.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service_kit.http.problems import Problem, problem_response


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a request may take to come in: its headers, from the connection or first byte on; its body.

    idle: so long a connection is kept between two requests, in whole seconds. Longer than clients and proxies
        keep theirs, or a request is on its way when the service hangs up; 60 s is usual for load balancers.
    unread: so long an answer that does not fit into buffers may wait for somebody to read on.
    """

    headers: timedelta = timedelta(seconds=10)
    body: timedelta = timedelta(seconds=120)
    idle: timedelta = timedelta(seconds=75)
    unread: timedelta = timedelta(seconds=30)


USUAL = Deadlines()
CLOSE = {"Connection": "close"}


def protocol_with(deadlines: Deadlines, client_names: Set[str] = frozenset()) -> type[H11Protocol]:
    """Return uvicorn's protocol of HTTP/1.1, with deadlines for what comes in.

    client_names: when there are any, only clients with one of them as common name are let in.
    """
    seconds: dict[object, float] = {
        h11.IDLE: deadlines.headers.total_seconds(),
        h11.SEND_BODY: deadlines.body.total_seconds(),
    }

    class Deadlined(H11Protocol):
        _awaited: object = None
        _timer: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await(self.conn.their_state)
            if (
                client_names
                and (name := common_name(transport.get_extra_info("peercert"))) not in client_names
            ):
                detail = f"The certificate of {name!r} opens nothing here; ask with that of a client let in"
                self._answer(Problem(403, "forbidden", "This client is not let in", detail, CLOSE))
                self.transport.close()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._await(self.conn.their_state)

        def connection_lost(self, exc: Exception | None) -> None:
            self._await(None)
            self._is_read()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.loop.call_later(deadlines.unread.total_seconds(), self.transport.abort)

        def resume_writing(self) -> None:
            self._is_read()
            super().resume_writing()

        def _is_read(self) -> None:
            if self._unread is not None:
                self._unread.cancel()

        def _await(self, awaited: object) -> None:
            """Begin a deadline when a request gets to its headers or its body; what goes on keeps its own."""
            if awaited is self._awaited:
                return
            self._awaited = awaited
            if self._timer is not None:
                self._timer.cancel()
            allowed = seconds.get(awaited)
            self._timer = None if allowed is None else self.loop.call_later(allowed, self._hang_up, allowed)

        def _hang_up(self, allowed: float) -> None:
            if self.transport.is_closing():
                return
            detail = f"It did not come in within {allowed:g} s; send the whole request again"
            self._answer(Problem(408, "request-timeout", "The request took too long", detail, CLOSE))
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.close()

        def send_400_response(self, _msg: str) -> None:
            """Answer what is no HTTP; the server does it in plain text, or not at all."""
            detail = "It is no HTTP that can be read; check what sends it, and its headers"
            self._answer(Problem(400, "bad-request", "The request cannot be read", detail, CLOSE))
            self.transport.close()

        def _answer(self, problem: Problem) -> None:
            """Write a problem, unless an answer has begun."""
            if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                return
            answer, phrase = problem_response(problem), HTTPStatus(problem.status).phrase
            for event in (
                h11.Response(
                    status_code=answer.status_code, headers=answer.raw_headers, reason=phrase.encode()
                ),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")

    return Deadlined


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the common name of a certificate that was checked, as Python's ssl shows it."""
    subject = (certificate or {}).get("subject", ())
    return next((str(value) for part in subject for name, value in part if name == "commonName"), None)
