"""Entry point of `local-stack` and of `python -m local_stack`."""

import sys

from rich.console import Console

from local_stack.cli import app
from local_stack.errors import LocalStackError, ServiceFailed


def main() -> None:
    """Run the command line; exit 1 with one sentence when something is wrong."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        app()
    except ServiceFailed as failure:
        console.print(failure.log_tail, markup=False, style="dim")
        console.print(f"local-stack: {failure}", markup=False, style="bold red")
        sys.exit(1)
    except LocalStackError as error:
        console.print(f"local-stack: {error}", markup=False, style="bold red")
        sys.exit(1)


if __name__ == "__main__":
    main()
