"""`python -m attendance_containers.kubernetes`: builds what is missing, plays the charts on a cluster."""

import asyncio
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from attendance_containers.charts.definitions import definition_files
from attendance_containers.errors import CannotRunHere, ContainersError
from attendance_containers.go_programs import CLUSTER, ETCD, HELM, NETWORK, PAUSE
from attendance_containers.kubernetes.archive import FIRST, make_archive
from attendance_containers.kubernetes.cluster import PAUSE_IMAGE, Cluster, Programs
from attendance_containers.kubernetes.images import import_built, import_program
from attendance_containers.kubernetes.node import node
from attendance_containers.kubernetes.play import harm
from attendance_containers.kubernetes.scene import chart, make_definitions, start_servers, try_renderings
from attendance_containers.kubernetes.site import Site, make_namespace
from attendance_containers.sandbox import is_inside
from local_stack.errors import LocalStackError
from local_stack.files import take_lock
from local_stack.settings import cache_folder

ROOT = Path(__file__).parents[5]
FAILED, CANNOT = 1, 2
DNS = Path(__file__).with_name("dns.yaml")
DNS_IMAGE = "docker.io/attendance/coredns:1"
BEGAN = time.monotonic()


def say(line: str) -> None:
    """Print a line at once, with the seconds since this program began."""
    typer.echo(f"{time.monotonic() - BEGAN:6.1f} s  {line}")
    sys.stdout.flush()


def prepare(archive: Path) -> None:
    """Build programs and images."""
    for programs in (HELM, CLUSTER, ETCD, NETWORK, PAUSE):
        programs.build(cache_folder(root=ROOT))
    definition_files(cache_folder(root=ROOT))
    make_archive(archive, ROOT, say)


def play(folder: Path, archive: Path, seed: int) -> str:
    """Start the cluster, play, and return the line of figures."""
    cache = cache_folder(root=ROOT)
    programs = Programs(*(each.build(cache) for each in (CLUSTER, ETCD, NETWORK, HELM)))
    cluster = Cluster(folder, programs)
    site = Site(cluster, ROOT, cache, say)
    try:
        say(f"Kubernetes is ready after {cluster.start():.1f} s")
        import_program(cluster, PAUSE_IMAGE, PAUSE.build(cache) / "pause")
        import_program(cluster, DNS_IMAGE, programs.network / "coredns")
        import_built(cluster, archive)
        say("the images are there")
        cluster.kubectl("apply", "-f", str(DNS))
        cluster.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=60s")
        make_namespace(site)
        make_definitions(site)
        with ThreadPoolExecutor(1) as pool:
            # Servers take their time to start.
            taken = pool.submit(try_renderings, site)
            start_servers(site)
            say("the servers are ready, those of the chart of engines too")
            say(f"the API server takes {taken.result()} objects, all that the charts can render")
        began = time.monotonic()
        chart(site, "install", FIRST)
        say(f"helm install: everything ready after {time.monotonic() - began:.1f} s")
        return f"cluster ok: {asyncio.run(harm(site, seed))}"
    except ContainersError:
        say(cluster.kubectl("get", "pods,jobs", "-A", "-o", "wide", check=False))
        say(cluster.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp", check=False)[-6000:])
        raise
    finally:
        cluster.stop()


def cluster_test(seed: Annotated[int, typer.Option(help="Of the traffic.")] = 1) -> None:
    """Play the charts on a one-node Kubernetes of this machine."""
    folder = cache_folder(root=ROOT) / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "images.tar"
    try:
        if is_inside():
            code = node().run(lambda: _inside(folder, archive, seed))
        else:
            code = _around(folder, archive, seed)
    except (ContainersError, LocalStackError) as error:
        code = _told(error)
    raise typer.Exit(code)


def _around(folder: Path, archive: Path, seed: int) -> int:
    lock = take_lock(folder / "cluster.lock")
    if lock is None:
        raise CannotRunHere(f"another cluster runs in {folder}; wait for its end")
    with lock:
        prepare(archive)
        say("programs and images are built")
        return node().run(lambda: _inside(folder, archive, seed))


def _inside(folder: Path, archive: Path, seed: int) -> int:
    try:
        typer.echo(play(folder, archive, seed))
    except (ContainersError, LocalStackError) as error:
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    typer.echo(f"cluster-test: {error}", err=True)
    return CANNOT if isinstance(error, CannotRunHere) else FAILED


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    typer.run(cluster_test)
