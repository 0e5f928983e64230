"""What a machine needs to be a node: programs, and folders and settings of its own.

What Kubernetes writes where it cannot be told another place, and what it sets for a whole machine, stays in
the namespaces of the play.
"""

import shutil
from pathlib import Path

from attendance_containers.sandbox import Sandbox, run_line

CNI_PLUGIN = "/usr/lib/cni/bridge"
# Debian's packages by a program, or a file, of each.
NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "conntrack": "conntrack",
    "ipset": "ipset",
    "nsenter": "util-linux",
    CNI_PLUGIN: "containernetworking-plugins",
}
# How the control groups are called that kubelet makes.
CGROUPS = "kubepods"
# Folders that Kubernetes fills whatever it is told: names of networks, sockets, links of logs, addresses.
OWN_FOLDERS = tuple(map(Path, ("/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet")))
HOSTS = Path("/etc/hosts")
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


def node() -> Sandbox:
    """Return the namespaces of a node."""
    module = "attendance_containers.kubernetes"
    return Sandbox(module, CGROUPS, NEEDED, folders=OWN_FOLDERS, make=_make_node)


def name_address(name: str, address: str) -> None:
    """Let programs inside find an address by a name."""
    with HOSTS.open("a") as hosts:
        hosts.write(f"{address} {name}\n")


def _make_node() -> None:
    shutil.copy(HOSTS, "/run/hosts")
    run_line(f"mount --bind /run/hosts {HOSTS}")
    for name, value in SHOWN_SETTINGS.items():
        shown = Path("/run/shown") / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        run_line(f"mount --bind {shown} /proc/sys/{name}")
