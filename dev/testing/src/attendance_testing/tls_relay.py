"""TLS before a server of the local stack: it asks clients for certificates, notes them, passes on the rest.

Some of the stack's servers are built without TLS. What is tested is our clients' side, and that is the same.
"""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

from local_stack.keys.certificates import Certificate

# Source: https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest
SSL_REQUEST, SSL_TAKEN = bytes([0, 0, 0, 8, 4, 210, 22, 47]), b"S"
LOOPBACK = "127.0.0.1"
HANDSHAKE_SECONDS = 5.0


class TlsRelay:
    """Used as a context. `port` 0 takes a free one. asks_first: PostgreSQL's way into TLS."""

    def __init__(
        self, folder: Certificate, upstream_port: int, *, port: int = 0, asks_first: bool = False
    ) -> None:
        self._folder = folder
        self._upstream_port = upstream_port
        self._asks_first = asks_first
        self._listening = socket.create_server((LOOPBACK, port))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listening.getsockname()[1]
        self.serials: list[int] = []
        """The numbers of the certificates that clients have shown, the last one last."""

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        # Closing alone does not wake a thread that waits for somebody to come.
        self._listening.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def cut(self) -> None:
        """Hang up on everybody; who comes again needs a new handshake."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(HANDSHAKE_SECONDS)
        try:
            if self._asks_first and client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
                raise ConnectionAbortedError("plain text")
            if self._asks_first:
                client.sendall(SSL_TAKEN)
            secured = self._context().wrap_socket(client, server_side=True)
            secured.settimeout(None)
            self.serials.append(int(str((secured.getpeercert() or {})["serialNumber"]), 16))
            there = socket.create_connection((LOOPBACK, self._upstream_port))
        except OSError:  # no certificate, or none that is believed
            client.close()
            return
        self._open |= {secured, there}
        self._start(self._pass, secured, there)
        self._start(self._pass, there, secured)

    def _context(self) -> ssl.SSLContext:
        """Read the files for each connection: how a server follows them is no concern here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder.cert, self._folder.key)
        context.load_verify_locations(self._folder.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
        self._open.discard(source)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()
