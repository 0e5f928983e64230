"""The programs of a cluster as processes: each has a log of its own, and is waited for with a deadline."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attendance_containers.errors import PlayFailed

LOOK_SECONDS = 0.1
STOP_WITHIN_SECONDS = 15.0
SHOWN_LINES = 15


@dataclass(slots=True)
class Processes:
    """What runs, by name."""

    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: object, environ: Mapping[str, str] | None = None) -> None:
        """Start a program."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603
                list(map(str, command)), stdout=log, stderr=log, env=environ
            )

    def wait(self, what: str, is_so: Callable[[], bool], within: float) -> float:
        """Wait until something is so, and return the seconds; raise PlayFailed when it is not in time."""
        began = time.monotonic()
        while not is_so():
            self.check()
            if time.monotonic() - began > within:
                raise PlayFailed(f"after {within:.0f} s not so: {what}; the logs are in {self.logs}")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def check(self) -> None:
        """Raise PlayFailed when a program ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                log = self.logs / f"{name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
                raise PlayFailed(
                    f"{name} ended with exit code {process.returncode}; {log} ends with:\n{tail}"
                )

    def stop(self) -> None:
        """End all, the last one first."""
        for process in reversed(list(self.running.values())):
            process.terminate()
            try:
                process.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()
