"""Nobody keeps a connection open by sending slowly: headers and bodies have deadlines, which no byte extends.

The server has a deadline of its own for connections that idle between two requests, and none for what comes
in. A sender who misses one is answered with the problem 408, if an answer can still be given, and hung up on.
The deadline ends with the last byte of a request: how long the service takes to answer is its own affair.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service_kit.http.problems import Problem, problem_response


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a request may take to come in: its headers, from the connection or first byte on; its body."""

    headers: timedelta = timedelta(seconds=10)
    body: timedelta = timedelta(seconds=120)


USUAL = Deadlines()


def protocol_with(deadlines: Deadlines) -> type[H11Protocol]:
    """Return uvicorn's protocol of HTTP/1.1, with deadlines for what comes in."""
    seconds: dict[object, float] = {
        h11.IDLE: deadlines.headers.total_seconds(),
        h11.SEND_BODY: deadlines.body.total_seconds(),
    }

    class Deadlined(H11Protocol):
        _awaited: object = None
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await(self.conn.their_state)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._await(self.conn.their_state)

        def connection_lost(self, exc: Exception | None) -> None:
            self._await(None)
            super().connection_lost(exc)

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
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._answer(f"It did not come in within {allowed:g} s; send the whole request again")
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.close()

        def _answer(self, detail: str) -> None:
            problem = Problem(
                408, "request-timeout", "The request took too long", detail, {"Connection": "close"}
            )
            answer = problem_response(problem)
            for event in (
                h11.Response(
                    status_code=answer.status_code, headers=answer.raw_headers, reason=b"Request Timeout"
                ),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")

    return Deadlined
