"""The services of an installation as processes, each with the variables of its identity alone."""

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from attendance_demo.deployment import POLL_SECONDS, READY_WITHIN_SECONDS, Service
from attendance_testing.access.installation import Installation, bare_environ
from local_stack.keys.certificates import Certificate
from local_stack.running.ports import LOOPBACK, free_port

COMMANDS = {
    "ingest": ("ingest",),
    "query-api": ("query_api",),
    "recognition-worker": ("recognition_worker", "run"),
    "attendance-projector": ("attendance_projector", "run"),
    "attendance-feed": ("attendance_projector", "feed"),
}


@dataclass(slots=True)
class SecuredService(Service):
    """A service that answers TLS alone, and only those with a certificate."""

    @property
    def url(self) -> str:
        """Return the address of its HTTP server."""
        return f"https://{LOOPBACK}:{self.port}"

    def wait_until_ready(self, context: ssl.SSLContext) -> None:
        """Return when it reports ready to one of its callers. Raises ServiceFailed."""
        until = time.monotonic() + READY_WITHIN_SECONDS
        with httpx.Client(verify=context, timeout=2.0) as client:
            while time.monotonic() < until:
                if self.process.poll() is not None:
                    raise self.failed(self.how_it_ended())
                try:
                    if client.get(f"{self.url}/health/ready").is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(POLL_SECONDS)
        raise self.failed(f"is not ready after {READY_WITHIN_SECONDS:.0f} s")


def client_context(certificate: Certificate) -> ssl.SSLContext:
    """Return how the holder of a certificate connects."""
    context = ssl.create_default_context(cafile=certificate.ca)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


@contextmanager
def serving(installation: Installation, logs: Path) -> Iterator[dict[str, SecuredService]]:
    """Start one of each service, wait until all are ready, and stop them afterwards."""
    logs.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in COMMANDS}
    own = {
        "ingest": {"INGEST_QUERY_API_URL": f"https://{LOOPBACK}:{ports['query-api']}"},
        "attendance-projector": {"ATTENDANCE_PROJECTOR_FEED_CHANGES": "false"},
    }
    with ExitStack() as stack:
        services = {}
        for name, command in COMMANDS.items():
            environ = {
                **bare_environ(),
                **installation.environ_of(name),
                **own.get(name, {}),
                **_listener(installation, name, ports[name]),
            }
            log = logs / f"{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command], env=environ, stdout=output, stderr=output
                )
            services[name] = SecuredService(name, ports[name], log, process)
            stack.callback(services[name].stop)
        for name, service in services.items():
            service.wait_until_ready(client_context(installation.certificate(name)))
        yield services


def _listener(installation: Installation, name: str, port: int) -> dict[str, str]:
    """Return the variables of its port: TLS, and whose certificates get an answer."""
    prefix = installation.permissions.service_of(name).upper().replace("-", "_")
    own = installation.certificate(name)
    return {
        f"{prefix}_PORT": str(port),
        f"{prefix}_SSL_CERT_FILE": str(own.cert),
        f"{prefix}_SSL_KEY_FILE": str(own.key),
        f"{prefix}_SSL_CLIENT_CA_FILE": str(own.ca),
        f"{prefix}_SSL_CLIENT_NAMES": ",".join(installation.permissions.callers(name)),
    }
