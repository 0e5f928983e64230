"""Brings the Java parts into the cache: exactly the files that the lock names, checked by SHA-256.

Nothing is resolved here: the lock lists every file, so a start asks for no more than is missing.
"""

import hashlib
import platform
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import locked

PARALLEL_DOWNLOADS = 4
TRIES = 3
READ_TIMEOUT_SECONDS = 60

# Called with the bytes that arrived; negative when a try is taken back.
Progress = Callable[[int], None]


def ignore(_count: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Artifact:
    """One locked file of a Maven repository."""

    group: str
    name: str
    version: str
    sha256: str
    size: int
    classifier: str = ""
    packaging: str = "jar"

    @property
    def filename(self) -> str:
        """The name that the repository gives the file."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


@dataclass(frozen=True)
class Lock:
    """All locked files: of the two Java servers, and PostgreSQL's programs as they speak TLS."""

    kafka: tuple[Artifact, ...]
    registry: tuple[Artifact, ...]
    postgres: tuple[Artifact, ...]
    kafka_version: str
    registry_version: str


def read_lock() -> Lock:
    """Read the lock that is part of this package."""
    raw = tomllib.loads(
        files("local_stack.downloads").joinpath("artifacts.lock.toml").read_text(encoding="utf-8")
    )

    def parse(section: str) -> Iterator[Artifact]:
        for entry in raw[section]["artifacts"]:
            group, name, version = entry["coordinates"].split(":")
            yield Artifact(
                group,
                name,
                version,
                sha256=entry["sha256"],
                size=entry["bytes"],
                classifier=entry.get("classifier", ""),
                packaging=entry.get("packaging", "jar"),
            )

    return Lock(
        kafka=tuple(parse("kafka")),
        registry=tuple(parse("registry")),
        postgres=tuple(parse("postgres")),
        kafka_version=raw["kafka"]["version"],
        registry_version=raw["registry"]["version"],
    )


class ArtifactCache:
    """The shared folder of downloads; safe for several stacks that start at once."""

    def __init__(self, folder: Path, lock: Lock | None = None) -> None:
        self.folder = folder
        self.lock = lock or read_lock()

    @property
    def kafka_class_path(self) -> str:
        """The class path of Kafka, every jar by its full name."""
        return ":".join(str(self._path(artifact)) for artifact in self.lock.kafka)

    @property
    def registry_folder(self) -> Path:
        """The unpacked schema registry."""
        return self.folder / f"apicurio-registry-{self.lock.registry_version}"

    @property
    def registry_jar(self) -> Path:
        """The jar that starts the schema registry."""
        return self.registry_folder / f"apicurio-registry-app-{self.lock.registry_version}-runner.jar"

    @property
    def tls_postgres(self) -> Path:
        """PostgreSQL's programs, of a build that speaks TLS; the packaged one does not."""
        return self.folder / f"postgres-{self.lock.postgres[0].version}"

    def missing(self) -> list[Artifact]:
        """List what a start would have to download."""
        wanted = [artifact for artifact in self.lock.kafka if not self._is_here(artifact)]
        if not self.registry_jar.exists():
            wanted += [artifact for artifact in self.lock.registry if not self._is_here(artifact)]
        return wanted

    def fetch(self, progress: Progress = ignore) -> None:
        """Download, check and unpack what is missing; raise LocalStackError when a file is not as locked."""
        with locked(self.folder / "downloads.lock"):
            (self.folder / "jars").mkdir(exist_ok=True)
            with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
                list(pool.map(lambda artifact: self._fetch_one(artifact, progress), self.missing()))
            if not self.registry_jar.exists():
                self._unpack_registry()

    def get(self, artifact: Artifact) -> Path:
        """Return one locked file of others; download it when it is not here."""
        with locked(self.folder / "downloads.lock"):
            (self.folder / "jars").mkdir(exist_ok=True)
            if not self._is_here(artifact):
                self._fetch_one(artifact, ignore)
        return self._path(artifact)

    def fetch_tls_postgres(self, progress: Progress = ignore) -> None:
        """Download, check and unpack PostgreSQL's programs that speak TLS; raises LocalStackError."""
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise LocalStackError("A secured stack needs Linux on x86-64: its PostgreSQL is built for that.")
        with locked(self.folder / "downloads.lock"):
            if self.tls_postgres.exists():
                return
            (self.folder / "jars").mkdir(exist_ok=True)
            (archive,) = self.lock.postgres
            self._fetch_one(archive, progress)
            with zipfile.ZipFile(self._path(archive)) as jar:
                (name,) = (each for each in jar.namelist() if each.endswith(".txz"))
                with jar.open(name) as content, tarfile.open(fileobj=content, mode="r|xz") as tar:
                    self._unpack(tar, self.tls_postgres)
            self._path(archive).unlink()

    def _path(self, artifact: Artifact) -> Path:
        return self.folder / "jars" / artifact.filename

    def _is_here(self, artifact: Artifact) -> bool:
        path = self._path(artifact)
        return path.exists() and path.stat().st_size == artifact.size

    def _fetch_one(self, artifact: Artifact, progress: Progress) -> None:
        problem = ""
        for _ in range(TRIES):
            arrived = 0

            def count(chunk: int) -> None:
                nonlocal arrived
                arrived += chunk
                progress(chunk)

            # A folder of its own per try: jgo writes straight to the final name.
            with tempfile.TemporaryDirectory(dir=self.folder, prefix="download-") as scratch:
                try:
                    path = _download(artifact, Path(scratch), count)
                    found = hashlib.sha256(path.read_bytes()).hexdigest()
                    if found == artifact.sha256:
                        path.replace(self._path(artifact))
                        return
                    problem = f"its SHA-256 is {found}, locked is {artifact.sha256}"
                except (RuntimeError, OSError) as error:
                    problem = str(error)
            progress(-arrived)
        raise LocalStackError(
            f"Could not download {artifact.filename} in {TRIES} tries: {problem}. Check the network"
            " (repositories come from the jgo configuration), then run `local-stack up` again."
        )

    def _unpack_registry(self) -> None:
        archive = self._path(self.lock.registry[0])
        with tarfile.open(archive) as tar:
            self._unpack(tar, self.registry_folder)
        # The archive has served: the checked content is unpacked, and it is twice as much on disk.
        archive.unlink()

    def _unpack(self, tar: tarfile.TarFile, target: Path) -> None:
        """Unpack in one step; the SHA-256 of the archive was checked."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="unpack-") as scratch:
            whole = Path(scratch) / "whole"
            whole.mkdir()
            # Python 3.11 has the filter from its fourth patch on.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(whole)  # noqa: S202
            whole.replace(target)


def _download(artifact: Artifact, scratch: Path, count: Progress) -> Path:
    # A start that finds everything in the cache does without the resolver and its HTTP client.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def report(_name: str, _size: int) -> Iterator[Progress]:
        yield count

    context = MavenContext(
        resolver=PythonResolver(progress_callback=report),
        repo_cache=scratch,
        # An own mirror is set in the configuration file of jgo; without one, jgo's default applies.
        remote_repos=GlobalSettings.load().repositories or None,
        timeout=READ_TIMEOUT_SECONDS,
    )
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    path = component.artifact(classifier=artifact.classifier, packaging=artifact.packaging).resolve()
    return Path(path)
