"""Builds Toxiproxy from its sources, exactly those that go.mod and go.sum beside this module lock.

No package brings the program itself.
"""

from pathlib import Path

from local_stack.downloads.go_programs import GoSources, build

VERSION = "2.5.0"
MAIN = "github.com/Shopify/toxiproxy/v2/cmd/server"
LOCKED = Path(__file__).parent
SOURCES = GoSources(f"Toxiproxy {VERSION}", LOCKED, oldest_go=(1, 19))


def toxiproxy_program(cache: Path) -> Path:
    """Return where the program is once it is built."""
    return cache / f"toxiproxy-{VERSION}"


def build_toxiproxy(cache: Path) -> None:
    """Build the program unless it is there.

    Raises:
        LocalStackError: Go or the modules could not be had; the message says what Go said.
    """
    build(SOURCES, {toxiproxy_program(cache): MAIN}, cache)
