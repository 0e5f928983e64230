"""The services as real processes on this machine, over a running stack: start, stop, kill, logs.

The demo and the end-to-end tests use the same. Each process writes its log to a file of its own; one that
ends by itself is reported with the last lines of it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from attendance_demo.errors import ServiceFailed
from local_stack.environment import with_login_of
from local_stack.running.ports import free_port

READY_WITHIN_SECONDS = 90.0
STOP_WITHIN_SECONDS = 30.0
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 30

COMMANDS = {
    "ingest": ("ingest",),
    "recognition-worker": ("recognition_worker", "run"),
    "attendance-projector": ("attendance_projector", "run"),
    "query-api": ("query_api",),
}


def variable_prefix(service: str) -> str:
    """Return the prefix of a service's settings: "query-api" has QUERY_API_."""
    return service.upper().replace("-", "_") + "_"


@dataclass(slots=True)
class Service:
    """One process of a service. `port` serves health and metrics, and the API where there is one."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return the address of its HTTP server."""
        return f"http://127.0.0.1:{self.port}"

    def how_it_ended(self) -> str:
        """Say how its process ended."""
        code = self.process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def failed(self, what: str) -> ServiceFailed:
        """Return the error for what went wrong with it, with the last lines that it logged."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return ServiceFailed(f"{self.name} {what}; {self.log} ends with:\n{tail}")

    def wait_ready(self, deadline: float = READY_WITHIN_SECONDS) -> None:
        """Return when it reports ready. Raises ServiceFailed when it ends or after `deadline` s."""
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise self.failed(self.how_it_ended())
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=2.0).is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(POLL_SECONDS)
        raise self.failed(f"is not ready after {deadline:.0f} s")

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, deadline: float = STOP_WITHIN_SECONDS) -> int:
        """End it with SIGTERM and return its exit code; killed when it takes longer than `deadline` s."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.failed(f"did not stop within {deadline:.0f} s") from None


def _forget(_pids: list[int]) -> None:
    """Remember nothing: whoever owns these processes ends them."""


@dataclass(slots=True)
class Deployment:
    """The services over one stack.

    `environ`: what `local-stack env` prints, with further settings. `remember` is told which processes run,
    so that others can end them when this one is killed.
    """

    environ: Mapping[str, str]
    folder: Path
    services: dict[str, Service] = field(default_factory=dict)
    remember: Callable[[list[int]], None] = _forget

    def prepare(self) -> None:
        """Create topics, register schemas and migrate the database; again changes nothing."""
        self.apply_contract()
        self.run_command("attendance_projector", "migrate")

    def apply_contract(self, **past_proxies: str) -> None:
        """Make topics and schemas what their files say; `past_proxies`: variables in place of its own."""
        self.run_command("attendance_schemas", "apply", **past_proxies)

    def start(self, name: str, *, instance: str = "", wait: bool = True, **settings: str) -> Service:
        """Start a service; `instance` tells several of one service apart. `settings` lack their prefix."""
        key = name + instance
        port = self.services[key].port if key in self.services else free_port()
        prefix = variable_prefix(name)
        login = with_login_of(self.environ, "run")
        own = {f"{prefix}{setting.upper()}": value for setting, value in settings.items()}
        environ = {**os.environ, **login, f"{prefix}PORT": str(port), **own}
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{key}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  # our own modules
                [sys.executable, "-m", *COMMANDS[name]], env=environ, stdout=output, stderr=output
            )
        service = Service(key, port, log, process, settings)
        self.services[key] = service
        self.remember([each.process.pid for each in self.services.values()])
        if wait:
            service.wait_ready()
        return service

    def start_again(self, name: str) -> None:
        """Start a service that ended, on the same port and with the same settings; do not wait for it."""
        self.start(name, wait=False, **self.services[name].settings)

    def start_all(self, on_ready: Callable[[str], object] = str) -> None:
        """Start one of each service at once and wait until all are ready; `on_ready` is told each name."""
        query_api = self.start("query-api", wait=False)
        self.start("ingest", wait=False, query_api_url=query_api.url)
        for name in ("recognition-worker", "attendance-projector"):
            self.start(name, wait=False)
        for service in self.services.values():
            service.wait_ready()
            on_ready(service.name)

    def check_alive(self) -> None:
        """Raise ServiceFailed when a service ended by itself."""
        for service in self.services.values():
            if service.process.poll() is not None:
                raise service.failed(service.how_it_ended())

    def stop_all(self) -> None:
        """Stop every service, the one that writes first; kill what does not stop."""
        failures = []
        for service in sorted(self.services.values(), key=lambda service: service.name != "ingest"):
            try:
                service.stop()
            except ServiceFailed as error:
                failures.append(str(error))
        self.services.clear()
        self.remember([])
        if failures:
            raise ServiceFailed("\n".join(failures))

    def run_command(self, module: str, *arguments: str, **variables: str) -> None:
        """Run a command to its end; `variables` in place of its own. Raises ServiceFailed."""
        run = subprocess.run(  # noqa: S603  # our own modules
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **self.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise ServiceFailed(f"{module} {' '.join(arguments)} failed:\n{run.stdout}{run.stderr}")


@contextmanager
def deployed(
    environ: Mapping[str, str], folder: Path, remember: Callable[[list[int]], None] = _forget
) -> Iterator[Deployment]:
    """Prepare the stack, yield a deployment without services, and stop whatever was started in it."""
    deployment = Deployment(environ, folder, remember=remember)
    deployment.prepare()
    try:
        yield deployment
    finally:
        deployment.stop_all()
