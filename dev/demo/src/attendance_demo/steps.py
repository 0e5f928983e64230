"""Says what goes on while a person waits: a line that moves on a terminal, a line per step elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)


@contextmanager
def step(doing: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done; at its end say how long it took. Yields what shows how far it is."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(f"{doing} ...") as status:
            yield lambda progress: status.update(f"{doing}: {progress} ...")
    else:
        console.print(f"{doing} ...", soft_wrap=True)
        yield lambda _progress: None
    console.print(f"{doing}: done ({time.monotonic() - began:.1f} s)", soft_wrap=True)


def say(line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, soft_wrap=True)
