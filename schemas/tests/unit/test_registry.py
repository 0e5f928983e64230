"""What a registry answers, and what it means: only one code says that there is no such schema."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.schema_files import id_of_text, schema_text

TEXT = schema_text("MatchDecided")


class Answering(ThreadingHTTPServer):
    """A server on loopback that answers everything alike."""

    status, body = 200, "{}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/apis/ccompat/v7"


class Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, Answering)
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.body.encode())))
        self.end_headers()
        self.wfile.write(server.body.encode())

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (401, "", "put a user and password into SCHEMA_REGISTRY_URL"),
        (403, "", "give it the right to read"),
        (404, "<html>no such page</html>", "is the path of SCHEMA_REGISTRY_URL right"),
        (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}', "and no proxy in the way"),
        (404, '{"error_code": 40401}', "not as a registry does"),
        (429, "", "too many requests"),
        (302, "", "answered 302"),
        (400, "what?", "answered 400; what?"),
        (503, "starting", "answered 503"),
        (200, "<html>sign in</html>", "answered without 'schema'"),
    ],
)
async def test_no_other_answer_condemns_a_record(server, status, body, advice):
    server.status, server.body = status, body
    async with SchemaRegistry(server.url) as registry:
        with pytest.raises(RegistryUnavailable, match=advice):
            await registry.schema_by_id(7)


async def test_one_code_says_that_there_is_no_such_schema(server):
    server.status, server.body = 404, '{"error_code": 40403, "message": "Schema not found"}'
    async with SchemaRegistry(server.url) as registry:
        with pytest.raises(SchemaNotRegistered, match="schema id 7 is not in the registry"):
            await registry.schema_by_id(7)


@pytest.mark.parametrize("code", [40401, 40403])
async def test_a_writer_is_told_what_to_run(server, code):
    server.status, server.body = 404, json.dumps({"error_code": code})
    async with SchemaRegistry(server.url) as registry:
        with pytest.raises(SchemaNotRegistered, match="run `attendance-schemas apply`"):
            await registry.id_of("subject", TEXT)


async def test_a_writer_never_takes_another_id(server):
    server.body = json.dumps({"id": 1})
    async with SchemaRegistry(server.url) as registry:
        with pytest.raises(SchemaNotRegistered, match=f"under id 1, and it should be {id_of_text(TEXT)}"):
            await registry.id_of("subject", TEXT)
