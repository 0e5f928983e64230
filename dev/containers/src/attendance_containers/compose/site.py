"""A project that runs, where its gateway is, and what its first operator may ask of it."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from attendance_containers.compose.project import Compose
from attendance_demo.scene.retries import Patient

UP = ("up", "--detach", "--wait", "--wait-timeout", "300")
WELL_WITHIN_SECONDS = 120.0
ANSWERED_WITHIN_SECONDS = 180.0
# Check-ins that are answered before and after each harm, so that it meets load and leaves it flowing.
FLOWING_COUNT = 15
AUTHORITY = "/run/secrets/tls/ca.crt"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """A running project. cut_seconds: how long hosts are cut off. is_secure: everybody speaks TLS."""

    compose: Compose
    port: int
    folder: Path
    say: Say
    cut_seconds: float
    is_secure: bool

    @property
    def url(self) -> str:
        """Return where the gateway is."""
        return f"{'https' if self.is_secure else 'http'}://127.0.0.1:{self.port}"

    def authority(self) -> Path:
        """Write the certificate that clients of the gateway believe into a file, and return that."""
        file = self.folder / "ca.crt"
        if not file.exists():
            file.write_text(self.compose("exec", "-T", "gateway", "cat", AUTHORITY))
        return file

    def client(self, timeout: float, *, is_patient: bool) -> httpx.AsyncClient:
        """Return a client of the gateway; a patient one sends again by itself what comes too fast."""
        trust = ssl.create_default_context(cafile=self.authority()) if self.is_secure else True
        transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(verify=trust)
        return httpx.AsyncClient(timeout=timeout, transport=Patient(transport) if is_patient else transport)

    def sign(self, organisation: str) -> Callable[[str, str], str]:
        """Return what signs tokens of an organisation, as the first operator gets them."""

        @cache
        def sign(role: str, subject: str) -> str:
            once = ("run", "--rm", "--no-deps", "-T", "prepare", "token")
            whom = ("--role", role, "--subject", subject, "--org", organisation)
            return self.compose(*once, *whom).strip()

        return sign
