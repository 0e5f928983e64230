"""A Docker engine of our own: its data, socket and networks meet no other engine of this machine.

It is Debian's, started as root and ended with us. It has no bridge of its own: builds use the machine's
network, and Compose makes what its file names.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from attendance_containers.errors import CannotRunHere, CommandFailed
from attendance_containers.programs import run

# Debian's packages by a program of each.
NEEDED = {"dockerd": "docker.io", "docker": "docker.io", "debootstrap": "debootstrap", "iptables": "iptables"}
PROGRAM_FOLDERS = Path("/usr/bin"), Path("/usr/sbin")
ADDRESSES = "base=10.231.0.0/16,size=24"
STARTS_WITHIN_SECONDS = 60.0
STOPS_WITHIN_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine."""

    socket: Path
    config: Path

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which Docker's programs find it. The builder is the one that every engine has."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.config),
            "DOCKER_BUILDKIT": "0",
        }

    def docker(self, *arguments: str | Path, folder: Path | None = None) -> str:
        """Run a command of `docker` and return what it printed. Raises CommandFailed."""
        return run([_program("docker"), *arguments], self.environ, folder)

    def has(self, image: str) -> bool:
        """Say whether it has an image."""
        return bool(self.docker("image", "ls", "--quiet", image).strip())

    def inspect(self, kind: str, names: Sequence[str], form: str = "{{json .}}") -> list[object]:
        """Return what the engine knows of containers or images, one value for each name."""
        said = self.docker(kind, "inspect", "--format", form, *names) if names else ""
        return [json.loads(line) for line in said.splitlines()]


def install_programs() -> None:
    """Install what is missing of Debian's packages. Raises CannotRunHere, with what is missing."""
    if os.geteuid() != 0:
        raise CannotRunHere(
            "a Docker engine of its own needs root; run it with sudo, or in a virtual machine"
        )
    missing = sorted({package for program, package in NEEDED.items() if _find(program) is None})
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotRunHere(f"{', '.join(missing)} of Debian are missing, and this system has no apt-get")
    # Run level 1: the package starts no engine of its own.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "-qq"], quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], quiet)


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Start an engine whose images and volumes lie in the folder; end it afterwards."""
    install_programs()
    # The path of a socket is short, whatever the folder's is.
    state = Path("/run") / f"attendance-engine-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    for path in (folder / "data", state, state / "config"):
        path.mkdir(parents=True, exist_ok=True)
    (state / "daemon.json").write_text("{}")
    engine = Engine(state / "docker.sock", state / "config")
    with (folder / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - Debian's program
            [
                str(_program("dockerd")),
                *("--host", f"unix://{engine.socket}", "--config-file", str(state / "daemon.json")),
                *("--data-root", str(folder / "data"), "--exec-root", str(state / "exec")),
                *("--pidfile", str(state / "pid"), "--bridge", "none", "--default-address-pool", ADDRESSES),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_answers(engine, process, folder / "dockerd.log")
        yield engine
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # The machine's own network, which builds use, stays mounted there.
        for left in (state / "exec" / "netns").glob("*"):
            run(["umount", left])
        shutil.rmtree(state)


def _wait_until_it_answers(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        try:
            engine.docker("version")
        except CommandFailed as error:
            if process.poll() is not None or time.monotonic() > until:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise CannotRunHere(
                    f"the Docker engine does not start here; {log} ends with:\n{tail}"
                ) from error
            time.sleep(POLL_SECONDS)
        else:
            return


def _find(program: str) -> Path | None:
    return next((folder / program for folder in PROGRAM_FOLDERS if (folder / program).exists()), None)


def _program(program: str) -> Path:
    if (found := _find(program)) is None:
        raise CannotRunHere(f"{program} is missing; it comes with Debian's package {NEEDED[program]}")
    return found
