"""`attendance-containers`: an engine and images from packages, and the play of compose.yaml on them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from attendance_containers.compose.play import NEXT, UPGRADED, Figures, play
from attendance_containers.compose.project import Compose
from attendance_containers.compose.site import Site
from attendance_containers.engine import NEEDED, Engine, name_of, running_engine
from attendance_containers.errors import CannotRunHere, CommandFailed, ContainersError
from attendance_containers.images import IN_COMPOSE, build_images
from attendance_containers.package_lists import lists
from attendance_containers.sandbox import Sandbox, is_inside
from attendance_containers.stand_ins import make_base, make_servers
from local_stack.files import take_lock
from local_stack.running.ports import free_port
from local_stack.settings import cache_folder

FAILED, CANNOT = 1, 2
ROOT = Path(__file__).parents[4]
SECURE = "deploy/compose/secure.yaml"
cli = typer.Typer(
    help=__doc__,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
console = Console(highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False)


def _folder() -> Path:
    return cache_folder(root=ROOT) / "containers"


@contextmanager
def prepared_engine(*, has_networks: bool = False) -> Iterator[Engine]:
    """Start an engine that has the base and the servers. has_networks: inside a sandbox."""
    folder = _folder()
    lock = take_lock(folder / "engine.lock")
    if lock is None:
        raise CannotRunHere(f"another engine runs in {folder}; wait for its end")
    with lock, running_engine(folder, has_networks=has_networks) as engine:
        if not has_networks:
            make_base(engine, folder, say)
            make_servers(engine, ROOT, cache_folder(root=ROOT), say)
        yield engine


@cli.command()
def images(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Targets of deploy/Dockerfile; all of compose.yaml.")
    ] = None,
    version: Annotated[str, typer.Option(help="The images' tag.")] = "dev",
) -> None:
    """Build the product's images, on an engine of their own, and print their sizes."""
    with prepared_engine() as engine:
        build_images(engine, ROOT, say, targets or IN_COMPOSE, version=version)


@cli.command("compose-test")
def compose_test(
    seed: Annotated[int, typer.Option(help="Of the traffic.")] = 1,
    cut_seconds: Annotated[float, typer.Option(min=15, help="How long hosts are cut off.")] = 60.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the containers' volumes.")] = False,
    secure: Annotated[bool, typer.Option("--secure", help="With deploy/compose/secure.yaml.")] = False,
) -> None:
    """Build every image, and play the committed compose.yaml."""
    if not is_inside():
        with prepared_engine() as engine:
            build_images(engine, ROOT, say)
            build_images(engine, ROOT, say, [UPGRADED], version=NEXT)

    def work() -> None:
        with prepared_engine(has_networks=True) as engine:
            port = free_port()
            url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
            variables = {"GATEWAY_PORT": str(port), "PUBLIC_URL": url}
            compose = Compose(engine, ROOT, variables, (SECURE,) if secure else ())
            with TemporaryDirectory(prefix="compose-") as folder:
                site = Site(compose, port, Path(folder), say, cut_seconds, is_secure=secure)
                say(f"compose ok: {_played(site, seed, keep=keep)}")

    _in_sandbox(work)


def _played(site: Site, seed: int, *, keep: bool) -> Figures:
    site.compose("down", "--volumes", "--remove-orphans")
    try:
        return play(site, cache_folder(root=ROOT) / "photos", seed)
    except ContainersError:
        say(site.compose.tail())
        raise
    finally:
        site.compose("down", *([] if keep else ["--volumes"]), "--remove-orphans")


@cli.command("engine")
def engine_with_a_shell(
    command: Annotated[list[str] | None, typer.Argument(help="Instead of a shell.")] = None,
) -> None:
    """Run the engine, and a shell in which `docker compose` and the containers' ports are reached."""
    if not is_inside():
        with prepared_engine():
            pass

    def work() -> None:
        with prepared_engine(has_networks=True) as engine:
            environ = {**os.environ, **engine.environ}
            # Debian's program first, whatever else is called so here.
            environ["PATH"] = f"/usr/bin:{environ['PATH']}"
            asked = command or [environ.get("SHELL", "bash")]
            said = subprocess.run(asked, env=environ, cwd=ROOT, check=False)  # noqa: S603
            if said.returncode:
                raise CommandFailed(f"it ended with {said.returncode}")

    _in_sandbox(work)


def _in_sandbox(work: Callable[[], None]) -> None:
    """Run something in namespaces of its own, with which all of it ends; exit with its exit code."""

    def told() -> int:
        try:
            work()
        except ContainersError as error:
            return _tell(error)
        return 0

    raise typer.Exit(Sandbox("attendance_containers", name_of(_folder()), NEEDED).run(told))


@cli.command("package-lists")
def package_lists(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether they are as they should be.")
    ] = False,
) -> None:
    """Write which locked packages each image needs."""
    differing = [path for path, text in lists(ROOT).items() if not path.exists() or path.read_text() != text]
    if check and differing:
        names = ", ".join(path.name for path in differing)
        say(f"{names} in deploy/requirements differ from what the packages need; run `make lock`")
        raise typer.Exit(FAILED)
    for path, text in lists(ROOT).items():
        path.write_text(text)


def main() -> None:
    """Run the command; exit code 1 when something failed, 2 when this machine cannot run it."""
    # What was started ends with us.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        cli()
    except ContainersError as error:
        sys.exit(_tell(error))


def _tell(error: ContainersError) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"attendance-containers: {error}", markup=False
    )
    return CANNOT if isinstance(error, CannotRunHere) else FAILED


if __name__ == "__main__":
    main()
