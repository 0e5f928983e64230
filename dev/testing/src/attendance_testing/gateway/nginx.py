"""Start the gateway as its container does: by `start-gateway`, with nginx and rules of Debian's packages."""

import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from local_stack.running.ports import free_port

START = Path(__file__).parents[5] / "deploy/gateway/start-gateway"
READY_WITHIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that runs. `url` ends without a slash."""

    url: str
    port: int
    folder: Path
    log: Path

    def logged(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def gateway(folder: Path, verify: Path | None = None, **settings: object) -> Iterator[Gateway]:
    """Run the gateway with these settings, which lack GATEWAY_.

    verify: whom to believe where it speaks TLS; without it, it speaks plain HTTP.
    """
    port = free_port()
    scheme = "https" if verify else "http"
    folder.mkdir(parents=True, exist_ok=True)
    # Where root starts it, its workers are another user, who does not get into the folders of tests.
    run = Path(tempfile.mkdtemp(prefix="gateway-"))
    run.chmod(0o755)
    environ = {
        **os.environ,
        "GATEWAY_RUN": str(run),
        "GATEWAY_LISTEN": "tls" if verify else "plain",
        "GATEWAY_TLS_PORT": str(port),
        "GATEWAY_PLAIN_PORT": str(port),
        **{f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()},
    }
    log = folder / "gateway.log"
    with log.open("ab") as output:
        process = subprocess.Popen([START], env=environ, stdout=output, stderr=output)
    running = Gateway(f"{scheme}://localhost:{port}", port, folder, log)
    try:
        _wait(running, process, verify)
        yield running
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(run, ignore_errors=True)


def _wait(running: Gateway, process: "subprocess.Popen[bytes]", verify: Path | None) -> None:
    until = time.monotonic() + READY_WITHIN_SECONDS
    with httpx.Client(verify=ssl.create_default_context(cafile=verify) if verify else True) as client:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {process.returncode}: {running.logged()}")
            try:
                if client.get(f"{running.url}/health/live").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
    raise RuntimeError(f"the gateway does not answer: {running.logged()}")


def without_limits() -> Mapping[str, object]:
    """Return settings with which no rate is reached: where the rules alone are tested."""
    rates = dict.fromkeys(("device_rate", "device_burst", "client_rate", "client_burst"), 10_000)
    return {**rates, "client_connections": 10_000}
