"""Builds every product image from deploy/Dockerfile, with the plain builder of any Docker engine."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from attendance_containers.engine import Engine

DOCKERFILE = "deploy/Dockerfile"
# In the order of their stages: each finds the layers of those before it.
IN_COMPOSE = ("ingest", "query-api", "attendance-projector", "prepare", "recognition-worker", "gateway")
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Built:
    """An image, its size and how long it took."""

    name: str
    megabytes: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.name}: {self.megabytes} MB, built in {self.seconds:.1f} s"


def build_images(
    engine: Engine,
    root: Path,
    say: Callable[[str], None],
    targets: Iterable[str] = IN_COMPOSE,
    *,
    registry: str = "attendance",
    version: str = "dev",
    arguments: Iterable[str] = (),
) -> list[Built]:
    """Build the targets and return what was built. Raises CommandFailed."""
    built = []
    for target in targets:
        began, name = time.monotonic(), f"{registry}/{target}:{version}"
        options = [option for each in (f"VERSION={version}", *arguments) for option in ("--build-arg", each)]
        where: list[str | Path] = ["--file", root / DOCKERFILE, "--target", target, "--tag", name]
        engine.docker("build", "--quiet", "--network", "host", *where, *options, root)
        (size,) = engine.inspect("image", [name], "{{json .Size}}")
        built.append(Built(name, int(str(size)) // MEGABYTE, time.monotonic() - began))
        say(str(built[-1]))
    return built
