"""Every identity at the port of every service: its callers get an answer, and nobody else."""

import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

import httpx

from attendance_testing.access.certificate_matrix import false_certificates
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome
from attendance_testing.access.services import SecuredService, client_context

SECONDS = 10.0


def outcomes(
    installation: Installation, services: Mapping[str, SecuredService], scratch: Path
) -> Iterator[Outcome]:
    """Ask every service as every identity, and with certificates that are worth nothing."""
    for name in installation.permissions.identities:
        own = installation.certificate(name)
        contexts = {"call": client_context(own)}
        for what, certificate in false_certificates(installation, name, scratch).items():
            contexts[what] = ssl.create_default_context(cafile=own.ca)
            if certificate is not None:
                contexts[what].load_cert_chain(certificate.cert, certificate.key)
        for server, service in services.items():
            for what, context in contexts.items():
                may = what == "call" and name in installation.permissions.callers(server)
                yield Outcome(server, name, what, may, _answers(f"{service.url}/health/live", context))


def _answers(url: str, context: ssl.SSLContext) -> bool:
    try:
        with httpx.Client(verify=context, timeout=SECONDS) as client:
            answer = client.get(url)
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        return False
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return False
    answer.raise_for_status()
    return True
