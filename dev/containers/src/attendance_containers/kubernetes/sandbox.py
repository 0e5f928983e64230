"""Runs the rest in namespaces of its own: network, mounts, processes.

So the cluster's bridges, packet filters and mounts are nobody else's, and all of it ends with this process,
however it ends. The first process there has to reap whatever is left behind by others. What Kubernetes writes
where it cannot be told another place, and what it sets for a whole machine, stays in there as well.
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
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child")
CNI_PLUGIN = "/usr/lib/cni/bridge"
CGROUPS = Path("/sys/fs/cgroup")
# Folders that Kubernetes fills whatever it is told: names of networks, sockets, links of logs, addresses.
OWN_FOLDERS = tuple(map(Path, ("/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet")))
HOSTS = Path("/etc/hosts")
SETTINGS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1"}
# What the kubelet sets for the whole machine where it is not so. It is shown that it is so.
# Source: setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go of Kubernetes 1.34.
SHOWN_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


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


def start_again_inside() -> int:
    """Start this program again in namespaces of its own, and return its exit code.

    Raises:
        CannotRunHere: this is not root, or packages are missing and cannot be installed.
    """
    install_programs()
    made = [folder for folder in OWN_FOLDERS if not folder.exists()]
    for folder in made:
        folder.mkdir(parents=True)
    # Also when this process is killed, nothing goes on there.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, sys.executable, "-m", *_module()]
    with subprocess.Popen([*command, *sys.argv[1:]], env={**os.environ, INSIDE: "1"}) as child:  # noqa: S603
        try:
            return child.wait()
        except (KeyboardInterrupt, SystemExit):
            _end(child)
            return child.wait()
        finally:
            remove_cgroups()
            for folder in made:
                folder.rmdir()


def _end(unshare: subprocess.Popen[bytes]) -> None:
    """Ask the first process inside to end; unshare itself hears no such wish."""
    inside = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
    if inside:
        os.kill(int(inside[0]), signal.SIGTERM)
    else:
        unshare.kill()


def remove_cgroups() -> None:
    """Remove what kubelets left: control groups have no namespace here."""
    for cgroups in sorted((*CGROUPS.glob("kubepods*"), *CGROUPS.glob("*/kubepods*"))):
        for folder, _, _ in os.walk(cgroups, topdown=False):
            os.rmdir(folder)  # noqa: PTH106 - a cgroup has files that only it takes away


def _module() -> list[str]:
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        raise CannotRunHere("start this as a module: python -m attendance_containers.kubernetes")
    return [spec.name.removesuffix(".__main__")]


def work_inside(work: Callable[[], int]) -> int:
    """Make the namespaces what a node is, run `work` and return its exit code."""
    worker = os.fork()
    if worker == 0:
        code = 1
        try:
            _make_folders()
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


def name_address(name: str, address: str) -> None:
    """Let programs inside find an address by a name."""
    with HOSTS.open("a") as hosts:
        hosts.write(f"{address} {name}\n")


def _make_folders() -> None:
    for folder in OWN_FOLDERS:
        _run(f"mount -t tmpfs tmpfs {folder}")
    shutil.copy(HOSTS, "/run/hosts")
    _run(f"mount --bind /run/hosts {HOSTS}")
    for name, value in SHOWN_SETTINGS.items():
        shown = Path("/run/shown") / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        _run(f"mount --bind {shown} /proc/sys/{name}")


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
        _run(command)


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)  # noqa: S603
