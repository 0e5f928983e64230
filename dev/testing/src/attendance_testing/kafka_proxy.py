"""A proxy before a broker that reads the protocol: it refuses or delays answers by what was asked.

A broker of the local stack has a listener whose advertised address is that of its proxy (`Link`), so clients
that begin at the proxy stay with it. Only what the error code's place needs is read of an answer.
Source: https://kafka.apache.org/protocol
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

HEAD = struct.Struct(">hhi")  # of a request: what is asked, version, number of the question
SIZE = struct.Struct(">i")
ERROR = struct.Struct(">h")

GROUP_AUTHORIZATION_FAILED = 30
INVALID_SESSION_TIMEOUT = 26


class Question(IntEnum):
    """What clients of a group ask, by API key."""

    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12


# An answer begins with the time to wait (4 bytes) from this version on; then comes the error code.
_WAIT_SINCE = {Question.FIND_COORDINATOR: 1, Question.JOIN_GROUP: 2, Question.HEARTBEAT: 1}


@dataclass
class _Harm:
    error: int | None = None
    seconds: float = 0.0
    left: int | None = None


class KafkaProxy:
    """Used as an async context. Ports are on loopback."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self._port = port
        self._upstream_port = upstream_port
        self._harm: dict[int, _Harm] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.cut()

    async def connect(self) -> None:
        """Let connections in."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """Hang up on everybody and refuse connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse(self, question: Question, error: int, *, times: int | None = None) -> None:
        """Answer a question with an error, so many times or until it is healed."""
        self._harm[question] = _Harm(error=error, left=times)

    def delay(self, question: Question, seconds: float) -> None:
        """Answer a question later."""
        self._harm[question] = _Harm(seconds=seconds)

    def heal(self) -> None:
        """Answer everything as the broker does."""
        self._harm.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        self._writers |= {writer, back}
        asked: dict[int, tuple[int, int]] = {}
        for work in (self._ask(reader, back, asked), self._answer(there, writer, asked)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, asked: dict[int, tuple[int, int]]
    ) -> None:
        async for frame in _frames(reader, back):
            question, version, number = HEAD.unpack_from(frame)
            asked[number] = question, version
            back.write(SIZE.pack(len(frame)) + frame)

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, tuple[int, int]]
    ) -> None:
        async for frame in _frames(there, writer):
            question, version = asked.pop(SIZE.unpack_from(frame)[0])
            harm = self._harm_of(question)
            if harm.seconds:
                await asyncio.sleep(harm.seconds)
            answer = bytearray(frame)
            if harm.error is not None:
                place = SIZE.size + (SIZE.size if version >= _WAIT_SINCE[Question(question)] else 0)
                ERROR.pack_into(answer, place, harm.error)
            writer.write(SIZE.pack(len(answer)) + answer)

    def _harm_of(self, question: int) -> _Harm:
        harm = self._harm.get(question, _Harm())
        if harm.left is not None:
            harm.left -= 1
            if harm.left < 0:
                return _Harm()
        return harm


async def _frames(reader: asyncio.StreamReader, other: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    """Yield the frames of one side; hang up on the other side when it ends."""
    try:
        while True:
            (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
            yield await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        other.close()
