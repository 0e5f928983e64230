"""Runs the rest in namespaces of its own: network, mounts, processes.

So the cluster's bridges, packet filters and mounts are nobody else's, and all of it ends with this process,
however it ends. The first process there has to reap whatever is left behind by others.
"""

import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from attendance_containers.errors import CannotRunHere
from attendance_containers.programs import run

INSIDE = "ATTENDANCE_CLUSTER_INSIDE"
# The machine as pods see it; no other network is reached from here.
NODE_ADDRESS = "10.200.0.1"
NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
CNI_PLUGIN = "/usr/lib/cni/bridge"
CGROUPS = Path("/sys/fs/cgroup")
NAMES_OF_NETWORKS = Path("/run/netns")
SETTINGS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}


def install_programs() -> None:
    """Install what is missing of Debian's packages. Raises CannotRunHere, with what is missing."""
    if os.geteuid() != 0:
        raise CannotRunHere("a cluster needs root: containers, bridges and packet filters are made")
    missing = {package for program, package in NEEDED.items() if shutil.which(program) is None}
    if not Path(CNI_PLUGIN).exists():
        missing.add("containernetworking-plugins")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotRunHere(
            f"{', '.join(sorted(missing))} of Debian are missing, and this system has no apt-get"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update", "-qq"], quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *sorted(missing)], quiet)


def is_inside() -> bool:
    """Tell whether this process has namespaces of its own already."""
    return INSIDE in os.environ


def run_inside(work: Callable[[], int]) -> int:
    """Run `work` in namespaces of its own and return its exit code; the caller is started again for it.

    Raises:
        CannotRunHere: this is not root, or packages are missing and cannot be installed.
    """
    if is_inside():
        return _as_first_process(work)
    install_programs()
    options = ("--net", "--mount", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child")
    command = ["unshare", *options, sys.executable, "-m", *_module(), *sys.argv[1:]]
    with subprocess.Popen(command, env={**os.environ, INSIDE: "1"}) as child:  # noqa: S603
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGTERM)
            return child.wait()
        finally:
            remove_cgroups()


def remove_cgroups() -> None:
    """Remove what kubelets left: control groups have no namespace here."""
    for cgroups in sorted(CGROUPS.glob("*/kubepods*")):
        for folder, _, _ in os.walk(cgroups, topdown=False):
            os.rmdir(folder)  # noqa: PTH106 - a cgroup has files that only it takes away


def _module() -> list[str]:
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        raise CannotRunHere("start this as a module: python -m attendance_containers.kubernetes")
    return [spec.name.removesuffix(".__main__")]


def _as_first_process(work: Callable[[], int]) -> int:
    worker = os.fork()
    if worker == 0:
        code = 1
        try:
            _make_network()
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


def _make_network() -> None:
    NAMES_OF_NETWORKS.mkdir(exist_ok=True)
    for command in (
        # Names of pods' networks, which would outlive them.
        f"mount -t tmpfs tmpfs {NAMES_OF_NETWORKS}",
        "ip link set lo up",
        # A network card that leads nowhere: Kubernetes wants a node to have an address and a way out.
        "ip link add node0 type veth peer name nobody0",
        f"ip address add {NODE_ADDRESS}/24 dev node0",
        "ip link set node0 up",
        "ip link set nobody0 up",
        "ip route add default dev node0",
        *(f"sysctl -q -e -w {name}={value}" for name, value in SETTINGS.items()),
    ):
        subprocess.run(command.split(), check=True)  # noqa: S603
