"""A real socket, and senders who take their time."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from local_stack.keys.certificates import Authority
from service_kit.http.deadlines import Deadlines
from service_kit.http.serve import serve
from service_kit.tls import Certificates, TlsListening

SHORT, LONG = timedelta(seconds=0.2), timedelta(seconds=30)
HEAD = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Served:
    """An app that reads bodies, or answers without, or takes its time; it notes who hung up."""

    port: int = 0
    trust: ssl.SSLContext | None = None
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, request: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse((await request.body()).decode())
        except ClientDisconnect:
            self.disconnected.set()
            raise

    async def unread(self, _request: Request) -> PlainTextResponse:
        return PlainTextResponse("no")

    async def slow(self, request: Request) -> PlainTextResponse:
        await request.body()
        await self.release.wait()
        return PlainTextResponse("late")

    async def long(self, _request: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            try:
                for _ in range(1000):
                    yield bytes(100_000)
            finally:
                self.disconnected.set()

        return StreamingResponse(parts())

    async def connect(self) -> Streams:
        async with asyncio.timeout(10):
            while True:  # bound, and soon listening
                with suppress(ConnectionRefusedError):
                    return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)


Start = Callable[[Deadlines], Awaitable[Served]]


@pytest.fixture(params=["plain", "TLS"])
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def started(deadlines: Deadlines) -> Served:
        served, stopping, tls = Served(), asyncio.Event(), None
        if request.param == "TLS":
            folder = Authority().issue(tmp_path, "service")
            tls = TlsListening(Certificates(None, folder.cert, folder.key).server_context())
            served.trust = Certificates(folder.ca).client_context()
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        names = ("read", "unread", "slow", "long")
        routes = [Route(f"/{name}", getattr(served, name), methods=["POST"]) for name in names]
        app = serve(
            Starlette(routes=routes),
            "127.0.0.1",
            0,
            stopping=stopping,
            tls=tls,
            deadlines=deadlines,
            on_listening=listening.set_result,
        )
        running.append((stopping, asyncio.create_task(app)))
        served.port = await listening
        return served

    yield started
    for stopping, task in running:
        stopping.set()
        await asyncio.wait_for(task, 10)


async def rest(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of what is sent until the other side hangs up."""
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    return head, body


async def trickle(writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
    """Send a byte now and then: each would extend a deadline that counts from the last one."""
    while not stop.is_set():
        writer.write(b"X")
        await asyncio.wait([asyncio.create_task(stop.wait())], timeout=0.03)


@pytest.mark.parametrize("sent", [b"", b"POST /re", HEAD])
@pytest.mark.parametrize("trickles", [False, True])
async def test_headers_that_never_end_are_408(start: Start, sent: bytes, trickles: bool) -> None:
    served = await start(Deadlines(headers=SHORT, body=LONG))
    reader, writer = await served.connect()
    writer.write(sent)
    stop = asyncio.Event()
    sending = asyncio.create_task(trickle(writer, stop)) if trickles and sent else None
    head, body = await rest(reader)
    stop.set()
    if sending is not None:
        await sending
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:problem:request-timeout"
    writer.close()


async def test_a_body_that_never_ends_is_408_and_its_reader_is_told(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=SHORT))
    reader, writer = await served.connect()
    writer.write(HEAD + b"\r\nhal")
    head, body = await rest(reader)
    assert head.startswith(b"HTTP/1.1 408 ")
    assert "send the whole request again" in json.loads(body)["detail"]
    await asyncio.wait_for(served.disconnected.wait(), 10)
    writer.close()


async def test_who_was_answered_is_hung_up_on_although_the_body_goes_on(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=SHORT))
    reader, writer = await served.connect()
    writer.write(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    stop = asyncio.Event()
    sending = asyncio.create_task(trickle(writer, stop))
    head, body = await rest(reader)
    stop.set()
    await sending
    assert (head.split(b" ")[1], body) == (b"200", b"no")
    writer.close()


async def test_a_service_may_take_longer_than_its_senders(start: Start) -> None:
    served = await start(Deadlines(headers=SHORT, body=SHORT))
    reader, writer = await served.connect()
    request = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    writer.write(request)
    # Another sender, who came later and misses the deadline, shows that the time is over.
    late, its_writer = await served.connect()
    await rest(late)
    served.release.set()
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"late"), 10)
    writer.write(request)
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"late"), 10)
    writer.close()
    its_writer.close()


NO_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no host": b"GET /read HTTP/1.1\r\n\r\n",
    "no length": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n",
    "two lengths": b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "endless header": b"GET /read HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000,
    "no chunk": b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a control": b"GET /re\x00ad HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
async def test_what_is_no_http_is_a_problem_and_hung_up_on(start: Start, sent: bytes) -> None:
    served = await start(Deadlines(headers=LONG, body=LONG))
    reader, writer = await served.connect()
    writer.write(sent)
    head, body = await rest(reader)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["type"] == "urn:problem:bad-request"
    writer.close()


async def test_who_sends_no_http_after_an_answer_has_begun_is_hung_up_on(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=LONG))
    reader, writer = await served.connect()
    writer.write(b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    head, _, _ = (await reader.readuntil(b"no")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    writer.write(b"zz\r\n")
    assert await rest(reader) == (b"", b"")
    writer.close()


async def test_who_idles_between_two_requests_is_hung_up_on(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=LONG, idle=timedelta(seconds=1)))
    reader, writer = await served.connect()
    for _ in range(2):
        writer.write(HEAD + b"\r\nhello")
        assert (await asyncio.wait_for(reader.readuntil(b"hello"), 10)).startswith(b"HTTP/1.1 200")
    assert await rest(reader) == (b"", b"")
    writer.close()


async def test_who_does_not_read_the_answer_is_hung_up_on(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=LONG, unread=SHORT))
    reader, writer = await served.connect()
    writer.write(b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    await asyncio.wait_for(served.disconnected.wait(), 10)
    size = 0
    with suppress(ConnectionResetError):
        while part := await asyncio.wait_for(reader.read(1_000_000), 10):
            size += len(part)
    assert size < 100_000_000
    writer.close()


async def test_who_reads_slowly_gets_all_of_the_answer(start: Start) -> None:
    served = await start(Deadlines(headers=LONG, body=LONG, unread=timedelta(seconds=10)))
    reader, writer = await served.connect()
    writer.write(b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    size = 0
    while part := await asyncio.wait_for(reader.read(1_000_000), 10):
        size += len(part)
        await asyncio.sleep(0)
    assert size > 100_000_000
    writer.close()
