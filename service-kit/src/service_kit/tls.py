"""The one place that makes TLS contexts; what their files hold when a connection begins is what counts.

Certificates are renewed every few weeks, and their files are replaced while services run. A context looks at
its files before each handshake and reads them again when they have changed. Files that do not fit together,
as while they are being replaced, are told and tried again; until then what they held before goes on.
Connections that exist stay as they are.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM. ca: whom to believe, else the system's; cert and key: who we are, both or neither."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def client_context(self) -> FollowedContext:
        """Make the context of a client; raises OSError when the files do not fit together."""
        return FollowedContext(ssl.PROTOCOL_TLS_CLIENT, self, self._client)

    def server_context(self) -> FollowedContext:
        """Make the context of a listener; with `ca`, clients must show a certificate of it."""
        return FollowedContext(ssl.PROTOCOL_TLS_SERVER, self, self._server)

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes when one of the files is replaced or written."""
        found = [file.stat() for file in (self.ca, self.cert, self.key) if file is not None]
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _client(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        return self._identified(context)

    def _server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.ca is not None:
            context.load_verify_locations(str(self.ca))
            context.verify_mode = ssl.CERT_REQUIRED
        return self._identified(context)

    def _identified(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            context.load_cert_chain(str(self.cert), None if self.key is None else str(self.key))
        return context


class FollowedContext(ssl.SSLContext):
    """A context whose handshakes use what its files hold then.

    Libraries keep a context for as long as a client lives, and ask it for each connection by `wrap_bio` or
    `wrap_socket`. These pass on to a context made of the files, and made anew when they have changed.
    """

    def __new__(cls, protocol: int, files: Certificates, make: Callable[[], ssl.SSLContext]) -> Self:
        """Make it of a protocol alone, as its base class does."""
        del files, make
        return super().__new__(cls, protocol)

    def __init__(self, _protocol: int, files: Certificates, make: Callable[[], ssl.SSLContext]) -> None:
        self._files = files
        self._make = make
        self._protocols: list[str] | None = None
        self._state = files.state()
        self._current = make()

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """Offer these protocols from the next handshake on."""
        self._protocols = list(alpn_protocols)
        self._current.set_alpn_protocols(self._protocols)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake between buffers."""
        return self._of_now().wrap_bio(*args, **options)

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a handshake on a socket."""
        return self._of_now().wrap_socket(sock, *args, **options)

    def _of_now(self) -> ssl.SSLContext:
        try:
            state = self._files.state()
            if state != self._state:
                renewed = self._make()
                if self._protocols is not None:
                    renewed.set_alpn_protocols(self._protocols)
                self._current, self._state = renewed, state
                log.info("certificate files have changed and were read again", extra=self._named())
        except OSError as error:
            log.warning(
                "certificate files cannot be used; what they held before goes on",
                extra={**self._named(), "error": repr(error)},
            )
        return self._current

    def _named(self) -> dict[str, str | None]:
        files = {"ca_file": self._files.ca, "cert_file": self._files.cert}
        return {name: None if file is None else str(file) for name, file in files.items()}


def context_for_oneself(certificate: Path, key: Path, *, strictly: bool) -> ssl.SSLContext:
    """Make the context with which a process asks itself: it shows its own certificate.

    strictly: nothing but this very certificate is believed, and only as long as it is valid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it is asked by its address on this machine
    if strictly:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(str(certificate))
    else:
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(str(certificate), str(key))
    return context


@dataclass(frozen=True, slots=True)
class TlsListening:
    """How a listener proves who it is, and which clients it lets in.

    names: common names (CN) of certificates; when there are any, only clients with one of them get an answer.
    """

    context: ssl.SSLContext
    names: frozenset[str] = frozenset()
