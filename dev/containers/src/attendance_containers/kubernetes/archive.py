"""All images of a play as one archive, since the cluster reaches no engine; made when sources changed."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from attendance_containers import stand_ins
from attendance_containers.__main__ import prepared_engine
from attendance_containers.engine import Engine
from attendance_containers.images import DOCKERFILE, IN_COMPOSE, build_images
from attendance_containers.stand_ins import SERVERS
from local_stack.downloads import artifacts

FIRST, BROKEN, NEXT = "dev", "broken", "next"
IMAGES = IN_COMPOSE
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


def make_archive(archive: Path, root: Path, say: Callable[[str], None]) -> None:
    """Build the images and save them, with their ids in a file beside, unless nothing changed."""
    made_of, ids = archive.with_suffix(".inputs"), archive.with_suffix(".ids")
    now = _checksum(_inputs(root), root)
    if archive.exists() and ids.exists() and made_of.exists() and made_of.read_text() == now:
        return
    with prepared_engine() as engine:
        build_images(engine, root, say, IMAGES)
        for name in IMAGES:
            for version in (BROKEN, NEXT):
                engine.docker("tag", f"attendance/{name}:{FIRST}", f"attendance/{name}:{version}")
        _break_migration(engine)
        names = [f"attendance/{name}:{version}" for name in IMAGES for version in (FIRST, BROKEN, NEXT)]
        names += [name for name in SERVERS if engine.has(name)]
        made_of.unlink(missing_ok=True)
        engine.docker("save", "--output", archive, *names)
        ids.write_text("\n".join(map(str, engine.inspect("image", names, "{{json .Id}}"))))
        made_of.write_text(now)


def _break_migration(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "migration.py").write_text(BROKEN_MIGRATION)
        (Path(folder) / "Dockerfile").write_text(BROKEN_DOCKERFILE)
        engine.docker(
            "build", "--quiet", "--network", "none", "--tag", f"attendance/prepare:{BROKEN}", Path(folder)
        )


def _inputs(root: Path) -> Iterator[Path]:
    """Yield every file that an image is made from: what builds are given, servers, and how they are made."""
    yield from (root / DOCKERFILE, Path(__file__), Path(stand_ins.__file__))
    yield from sorted(Path(artifacts.__file__).parent.glob("*.lock*"))
    yield from sorted((root / stand_ins.FOLDER).iterdir())
    yield from context_files(root)


def context_files(root: Path) -> Iterator[Path]:
    """Yield the files that .dockerignore gives to a build: it refuses all, then names what is taken."""
    rules = [line for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines() if line]
    left_out = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    for taken in (root / rule[1:] for rule in rules if rule.startswith("!")):
        for path in sorted(taken.rglob("*")) if taken.is_dir() else (taken,):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(fnmatch(part, name) for part in parts for name in left_out):
                yield path


def _checksum(files: Iterator[Path], root: Path) -> str:
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(root)}\n".encode())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
