"""What a person sees in the terminal: downloads, the start of the servers, and their status."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.running.status import ServiceState, ServiceStatus, StackStatus

STYLES = {
    ServiceState.READY: "green",
    ServiceState.CRASHED: "bold red",
    ServiceState.STOPPED: "dim",
    ServiceState.WAITING: "dim",
    ServiceState.IDLE: "dim",
}


def status_table(status: StackStatus) -> Table:
    """Lay out the servers with state, process, port and time to readiness."""
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "state", "pid", "port", "ready after"):
        table.add_column(heading, header_style="bold")
    for service in status.services:
        table.add_row(
            service.name,
            Text(service.state, style=STYLES.get(service.state, "yellow")),
            str(service.pid or ""),
            str(service.ports[0]),
            f"{service.ready_after_seconds} s" if service.ready_after_seconds is not None else "",
        )
    return table


@contextmanager
def start_view(console: Console) -> Iterator[Callable[[StackStatus], None]]:
    """Show the servers as they start: a live table, or one line per change where there is no terminal."""
    if not console.is_terminal:
        seen: dict[str, ServiceState] = {}

        def line(status: StackStatus) -> None:
            for service in status.services:
                if service.is_settled and seen.get(service.name) != service.state:
                    seen[service.name] = service.state
                    console.print(_sentence(service), markup=False)

        yield line
        return
    with Live(console=console, refresh_per_second=8) as live:
        yield lambda status: live.update(status_table(status))


def fetch_with_progress(cache: ArtifactCache, console: Console) -> None:
    """Download what is missing under a progress bar; show nothing when all is there."""
    missing = cache.missing()
    cache.folder.mkdir(parents=True, exist_ok=True)
    if not missing:
        cache.fetch()
        return
    total, began = sum(artifact.size for artifact in missing), time.monotonic()
    if not console.is_terminal:
        console.print(
            f"Downloading {len(missing)} files, {total / 1e6:.0f} MB, into {cache.folder}", markup=False
        )
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"Downloading {len(missing)} files", total=total)
        cache.fetch(lambda count: progress.advance(task, count))
    if not console.is_terminal:
        console.print(f"Downloaded in {time.monotonic() - began:.0f} s", markup=False)


def _sentence(service: ServiceStatus) -> str:
    if service.state is ServiceState.READY:
        return (
            f"{service.name} is ready on 127.0.0.1:{service.ports[0]} after {service.ready_after_seconds} s"
        )
    return f"{service.name} {service.state}: {service.detail}"
