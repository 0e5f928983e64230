"""`python -m attendance_containers.kubernetes`: builds what is missing, plays the charts on a cluster."""

import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from attendance_containers.__main__ import prepared_engine
from attendance_containers.charts.definitions import definition_files
from attendance_containers.engine import Engine
from attendance_containers.errors import CannotRunHere, ContainersError
from attendance_containers.go_programs import CLUSTER, ETCD, HELM, NETWORK, PAUSE
from attendance_containers.images import IN_COMPOSE, build_images
from attendance_containers.kubernetes.cluster import PAUSE_IMAGE, Cluster, Programs
from attendance_containers.kubernetes.images import import_built, import_program
from attendance_containers.kubernetes.play import BROKEN, FIRST, NEXT, harm
from attendance_containers.kubernetes.sandbox import is_inside, start_again_inside, work_inside
from attendance_containers.kubernetes.scene import Site, chart, make_namespace, start_servers, try_definitions
from attendance_containers.stand_ins import SERVERS
from local_stack.errors import LocalStackError
from local_stack.files import take_lock
from local_stack.settings import cache_folder

ROOT = Path(__file__).parents[5]
FAILED, CANNOT = 1, 2
IMAGES = (*IN_COMPOSE, "gateway")
DNS = Path(__file__).with_name("dns.yaml")
DNS_IMAGE = "docker.io/attendance/coredns:1"
# A release whose migration cannot be done.
BROKEN_MIGRATION = """
from alembic import op

revision, down_revision = "0002pre1", "0001"


def upgrade() -> None:
    op.execute("SELECT 1 / 0")
"""
WHERE = "from attendance_projector.store.migrations import versions; print(*versions.__path__)"
BROKEN_DOCKERFILE = f"""\
FROM attendance/prepare:{FIRST}
USER root
COPY migration.py /tmp/
RUN cp /tmp/migration.py "$(python -c '{WHERE}')/0002pre1_broken.py"
USER 10001:10001
"""


def say(line: str) -> None:
    """Print a line at once."""
    typer.echo(line)
    sys.stdout.flush()


def prepare(archive: Path) -> None:
    """Build programs and images, and save the images for the cluster, which reaches no engine."""
    for programs in (HELM, CLUSTER, ETCD, NETWORK, PAUSE):
        programs.build(cache_folder(root=ROOT))
    definition_files(cache_folder(root=ROOT))
    with prepared_engine() as engine:
        build_images(engine, ROOT, say, IMAGES)
        for name in IMAGES:
            for version in (BROKEN, NEXT):
                engine.docker("tag", f"attendance/{name}:{FIRST}", f"attendance/{name}:{version}")
        _break_migration(engine)
        names = [f"attendance/{name}:{version}" for name in IMAGES for version in (FIRST, BROKEN, NEXT)]
        servers = [name for name in SERVERS if engine.has(name)]
        ids = "\n".join(map(str, engine.inspect("image", [*names, *servers], "{{json .Id}}")))
        stamp = archive.with_suffix(".ids")
        if not archive.exists() or not stamp.exists() or stamp.read_text() != ids:
            engine.docker("save", "--output", archive, *names, *servers)
            stamp.write_text(ids)


def _break_migration(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "migration.py").write_text(BROKEN_MIGRATION)
        (Path(folder) / "Dockerfile").write_text(BROKEN_DOCKERFILE)
        engine.docker(
            "build", "--quiet", "--network", "none", "--tag", f"attendance/prepare:{BROKEN}", Path(folder)
        )


def play(folder: Path, archive: Path, seed: int) -> str:
    """Start the cluster, play, and return the line of figures."""
    cache = cache_folder(root=ROOT)
    programs = Programs(*(each.build(cache) for each in (CLUSTER, ETCD, NETWORK, HELM)))
    cluster = Cluster(folder, programs)
    site = Site(cluster, ROOT, cache, say)
    try:
        say(f"Kubernetes is ready after {cluster.start():.1f} s")
        began = time.monotonic()
        import_program(cluster, PAUSE_IMAGE, PAUSE.build(cache) / "pause")
        import_program(cluster, DNS_IMAGE, programs.network / "coredns")
        import_built(cluster, archive)
        say(f"images are there after {time.monotonic() - began:.1f} s")
        cluster.kubectl("apply", "-f", str(DNS))
        cluster.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=60s")
        make_namespace(site)
        say(f"the API server takes both charts in {try_definitions(site)} renderings")
        start_servers(site)
        say("the servers are ready")
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
        code = (
            work_inside(lambda: _inside(folder, archive, seed)) if is_inside() else _around(folder, archive)
        )
    except (ContainersError, LocalStackError) as error:
        code = _told(error)
    raise typer.Exit(code)


def _around(folder: Path, archive: Path) -> int:
    lock = take_lock(folder / "cluster.lock")
    if lock is None:
        raise CannotRunHere(f"another cluster runs in {folder}; wait for its end")
    with lock:
        began = time.monotonic()
        prepare(archive)
        say(f"programs and images are there after {time.monotonic() - began:.1f} s")
        code = start_again_inside()
        say(f"all of it took {time.monotonic() - began:.1f} s")
    return code


def _inside(folder: Path, archive: Path, seed: int) -> int:
    try:
        say(play(folder, archive, seed))
    except (ContainersError, LocalStackError) as error:
        return _told(error)
    return 0


def _told(error: Exception) -> int:
    typer.echo(f"cluster-test: {error}", err=True)
    return CANNOT if isinstance(error, CannotRunHere) else FAILED


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    typer.run(cluster_test)
