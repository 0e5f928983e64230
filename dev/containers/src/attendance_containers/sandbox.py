"""Runs the rest in namespaces of its own: network, mounts, processes.

So bridges, packet filters and mounts are nobody else's, and all of it ends with this process, however it
ends. The first process there has to reap whatever is left behind by others.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from attendance_containers.programs import install

INSIDE = "ATTENDANCE_INSIDE"
# The machine as containers see it; no other network is reached from here.
NODE_ADDRESS = "10.200.0.1"
NEEDED = {"ip": "iproute2", "iptables": "iptables", "setpriv": "util-linux", "unshare": "util-linux"}
CGROUPS = Path("/sys/fs/cgroup")
# Names of networks, which would outlive them.
FOLDERS = (Path("/run/netns"),)
SETTINGS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Namespaces of their own.

    module: what is started again there. needed: Debian's packages by a program of each. cgroups: how the
    names of control groups begin that are made there, since those have no namespace of their own. folders:
    are empty there, and what is written to them stays there. make: does the rest, once there is a network.
    """

    module: str
    cgroups: str
    needed: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[Path] = FOLDERS
    make: Callable[[], None] = lambda: None

    def run(self, work: Callable[[], int]) -> int:
        """Run `work` there and return its exit code; this program is started again for it.

        Raises:
            CannotRunHere: this is not root, or packages are missing and cannot be installed.
        """
        if is_inside():
            return self._as_first_process(work)
        install({**NEEDED, **self.needed}, "containers, bridges and packet filters are made")
        remove_cgroups(self.cgroups)
        made = [folder for folder in self.folders if not folder.exists()]
        for folder in made:
            folder.mkdir(parents=True)
        # Whoever is killed takes the others along: this process, unshare, the first process inside.
        command = [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child"),
            *(sys.executable, "-m", self.module, *sys.argv[1:]),
        ]
        with subprocess.Popen(command, env={**os.environ, INSIDE: "1"}) as child:  # noqa: S603
            try:
                return child.wait()
            except (KeyboardInterrupt, SystemExit):
                _end(child)
                return child.wait()
            finally:
                remove_cgroups(self.cgroups)
                for folder in made:
                    with suppress(OSError):  # somebody else has come to use it
                        folder.rmdir()

    def _as_first_process(self, work: Callable[[], int]) -> int:
        worker = os.fork()
        if worker == 0:
            code = 1
            try:
                for folder in self.folders:
                    run_line(f"mount -t tmpfs tmpfs {folder}")
                _make_network()
                self.make()
                code = work()
            except Exception:  # noqa: BLE001 - nobody is above: this process ends here
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: os.kill(worker, received))
        while True:
            ended, status = os.wait()
            if ended == worker:
                return os.waitstatus_to_exitcode(status)


def is_inside() -> bool:
    """Tell whether this process has namespaces of its own already."""
    return INSIDE in os.environ


def remove_cgroups(beginning: str) -> None:
    """Remove the control groups whose names begin so, which nobody is in any more."""
    for cgroups in sorted([*CGROUPS.glob(f"{beginning}*"), *CGROUPS.glob(f"*/{beginning}*")]):
        for folder, _, _ in os.walk(cgroups, topdown=False):
            os.rmdir(folder)  # noqa: PTH106 - a cgroup has files that only it takes away


def run_line(command: str) -> None:
    """Run a command of words without spaces. Raises CalledProcessError."""
    subprocess.run(command.split(), check=True)  # noqa: S603


def _end(unshare: "subprocess.Popen[bytes]") -> None:
    """Ask the first process inside to end; unshare itself hears no such wish."""
    inside = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
    if inside:
        os.kill(int(inside[0]), signal.SIGTERM)
    else:
        unshare.kill()


def _make_network() -> None:
    for command in (
        "ip link set lo up",
        # A network card that leads nowhere: Kubernetes wants a node to have an address and a way out.
        "ip link add node0 type veth peer name nobody0",
        f"ip address add {NODE_ADDRESS}/24 dev node0",
        "ip link set node0 up",
        "ip link set nobody0 up",
        "ip route add default dev node0",
        *(f"sysctl -q -e -w {name}={value}" for name, value in SETTINGS.items()),
    ):
        run_line(command)
