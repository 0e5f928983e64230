"""Ask a service that runs on this machine whether it is live or ready: what container health checks call.

It asks the port of the service's own settings, over TLS where the service listens with it, and shows the
service's own certificate. Readiness is asked as others ask: a certificate that has expired, or is not the one
in the files, is no readiness. Liveness is not: a restart does not mend a certificate.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Literal

from service_kit.settings import HttpSettings
from service_kit.tls import context_for_oneself

What = Literal["live", "ready"]
# A listener on every address is asked on this machine's own.
_OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is translated, not bound
# Health checks have 2 s each, side by side.
USUAL_TIMEOUT = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether all is well, and what the service said, or why it said nothing."""

    is_well: bool
    text: str


def probe(settings: HttpSettings, what: What, timeout: timedelta = USUAL_TIMEOUT) -> Answer:
    """Ask the service that runs with these settings."""
    place = f"{settings.host}:{settings.port}"
    connection, has_shaken_hands = _connection(settings, what, timeout.total_seconds()), False
    try:
        connection.connect()
        has_shaken_hands = isinstance(connection.sock, ssl.SSLSocket)
        connection.request("GET", f"/health/{what}", headers={"Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status == HTTPStatus.OK, response.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        # It hangs up because of a certificate, or says so: something lives there.
        if isinstance(error, ssl.SSLError) or (has_shaken_hands and isinstance(error, ConnectionError)):
            return Answer(what == "live", f"{place} does not agree with the certificate here: {error!r}")
        return Answer(False, f"{place} does not answer: {error!r}")
    finally:
        connection.close()


def _connection(settings: HttpSettings, what: What, seconds: float) -> http.client.HTTPConnection:
    host = _OWN.get(settings.host, settings.host)
    if settings.ssl_cert_file is None or settings.ssl_key_file is None:
        return http.client.HTTPConnection(host, settings.port, timeout=seconds)
    context = context_for_oneself(settings.ssl_cert_file, settings.ssl_key_file, strictly=what == "ready")
    return http.client.HTTPSConnection(host, settings.port, timeout=seconds, context=context)
