"""`attendance-containers`: an engine and images from packages, and the play of compose.yaml on them."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer
from rich.console import Console

from attendance_containers.compose import Compose
from attendance_containers.engine import Engine, running_engine
from attendance_containers.errors import CannotRunHere, ContainersError
from attendance_containers.images import IN_COMPOSE, build_images
from attendance_containers.package_lists import lists
from attendance_containers.play import NEXT, UPGRADED, Site, play
from attendance_containers.stand_ins import make_base, make_servers
from local_stack.files import take_lock
from local_stack.running.ports import free_port
from local_stack.settings import cache_folder

FAILED, CANNOT = 1, 2
ROOT = Path(__file__).parents[4]
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


@contextmanager
def prepared_engine() -> Iterator[Engine]:
    """Start an engine that has the base and the servers."""
    folder = cache_folder(root=ROOT) / "containers"
    lock = take_lock(folder / "engine.lock")
    if lock is None:
        raise CannotRunHere(f"another engine runs in {folder}; wait for its end")
    with lock, running_engine(folder) as engine:
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
    keep: Annotated[bool, typer.Option("--keep", help="Leave the containers' volumes.")] = False,
) -> None:
    """Build every image, and play the committed compose.yaml."""
    with prepared_engine() as engine:
        build_images(engine, ROOT, say)
        build_images(engine, ROOT, say, [UPGRADED], version=NEXT)
        port = free_port()
        compose = Compose(engine, ROOT, {"GATEWAY_PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"})
        compose("down", "--volumes", "--remove-orphans")
        try:
            site = Site(compose, f"http://127.0.0.1:{port}", Path(mkdtemp(prefix="compose-")), say)
            figures = play(site, cache_folder(root=ROOT) / "photos", seed)
        except ContainersError:
            say(compose.tail())
            raise
        finally:
            compose("down", *([] if keep else ["--volumes"]), "--remove-orphans")
        say(f"compose ok: {figures}")


@cli.command("engine")
def engine_until_stopped() -> None:
    """Run the engine until Ctrl-C, and print how to reach it."""
    with prepared_engine() as engine:
        for name, value in engine.environ.items():
            say(f"export {name}={value}")
        sys.stdout.flush()
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            return


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
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"attendance-containers: {error}", markup=False
        )
        sys.exit(CANNOT if isinstance(error, CannotRunHere) else FAILED)


if __name__ == "__main__":
    main()
