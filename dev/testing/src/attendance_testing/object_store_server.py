"""An object store of one process that knows PUT and one bucket, to test what stores do with conditions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET = "images"
_ERROR = (
    b"<Error><Code>PreconditionFailed</Code><Message>it is there</Message><Resource>x</Resource>"
    b"<RequestId>1</RequestId><HostId>1</HostId></Error>"
)


@contextmanager
def object_store_server(*, heeds_conditions: bool) -> Iterator[str]:
    """Serve, and give the address; one that does not heed `If-None-Match` replaces what is there."""
    kept: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            is_there = heeds_conditions and self.headers["If-None-Match"] == "*" and self.path in kept
            kept.add(self.path)
            body = _ERROR if is_there else b""
            self.send_response(HTTPStatus.PRECONDITION_FAILED if is_there else HTTPStatus.OK)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"0"')
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_response(HTTPStatus.OK if self.path == f"/{BUCKET}" else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()
