"""Every identity at every server that asks for certificates: its own, an expired, a foreign one, none."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome
from local_stack.keys.certificates import Authority, Certificate, authority_of

SECONDS = 10.0
# Something that each server answers once it has let a client in: ApiVersions, and any HTTP.
GREETINGS = {
    "kafka": bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", "")),
    "object-store": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


def outcomes(installation: Installation, scratch: Path) -> Iterator[Outcome]:
    """Try each certificate at each server; `scratch` takes the false ones."""
    servers = {
        "kafka": installation.env.kafka_bootstrap_servers,
        "object-store": installation.object_store_tls,
    }
    for name in installation.permissions.identities:
        own = installation.certificate(name)
        shown = {"certificate: its own": own, **false_certificates(installation, name, scratch)}
        for server, address in servers.items():
            for what, certificate in shown.items():
                did = _lets_in(address, own.ca, certificate, GREETINGS[server])
                yield Outcome(server, name, what, certificate is own, did)


def false_certificates(installation: Installation, name: str, scratch: Path) -> dict[str, Certificate | None]:
    """Return what nobody may be let in with, by what it is called in the table."""
    return {
        "certificate: an expired one": authority_of(installation.stack.folder).issue(
            scratch / "expired" / name, name, valid=timedelta(minutes=-1)
        ),
        "certificate: of another authority": Authority().issue(scratch / "foreign" / name, name),
        "certificate: none": None,
    }


def _lets_in(address: str, authority: Path, certificate: Certificate | None, greeting: bytes) -> bool:
    """Connect, greet, and tell whether the server answers; it refuses after the handshake of TLS 1.3."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate.cert, certificate.key)
    with socket.create_connection((host, int(port)), timeout=SECONDS) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                secured.sendall(greeting)
                return bool(secured.recv(1))
        except (ssl.SSLError, ConnectionError):
            return False
        finally:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
