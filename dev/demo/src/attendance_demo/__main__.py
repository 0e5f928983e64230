"""The demo: a morning at a plant on real components, verified from the services' own stores."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.live import Live

from attendance_demo.audit import Log, Stores, metric, read_log, read_stores
from attendance_demo.cast import Cast, folder_cast, packaged_cast
from attendance_demo.deployment import Deployment, deployed
from attendance_demo.errors import DemoError, VerificationFailed
from attendance_demo.kiosk import Kiosk
from attendance_demo.morning import Morning, plan_morning
from attendance_demo.plant import KIOSKS, Plant
from attendance_demo.play import Run
from attendance_demo.show import LiveView, attendance_table, endings, refusals_table
from attendance_demo.verify import complaints, count, identification
from local_stack.errors import LocalStackError
from local_stack.stack import Stack
from local_stack.tokens import sign_token

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SETTLED_WITHIN_SECONDS = 120.0
console = Console()


def run_id(now: datetime) -> str:
    """Return a name for this run that sorts by time."""
    return f"{now:%y%m%d%H%M%S}"


@cli.command(help=__doc__)
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Stack, logs and photos of the demo.")] = Path(
        ".local-stack/demo"
    ),
    faces_dir: Annotated[Path | None, typer.Option(help="Folders of photos, one per person.")] = None,
    people: Annotated[int, typer.Option(min=1, help="How many of them to enrol.")] = 20,
    *,
    once: Annotated[bool, typer.Option(help="Verify and exit instead of staying up.")] = False,
) -> None:
    """Set up, start, play, verify; stay up until Ctrl-C."""
    started = time.monotonic()
    stack = Stack(folder)
    with console.status("starting Kafka, schema registry, PostgreSQL, S3 and Valkey ..."):
        stack.up()
    console.print(f"stack is up ({time.monotonic() - started:.1f} s)")
    try:
        now = datetime.now(UTC)
        cache = stack.cache.folder / "photos"
        cast = (
            folder_cast(faces_dir, people, cache, run_id(now))
            if faces_dir
            else packaged_cast(cache, run_id(now))
        )
        with deployed(stack.env.environ(), stack.folder / "logs" / run_id(now)) as deployment:
            with console.status("starting the four services ..."):
                deployment.start_all()
            console.print(f"services are ready ({time.monotonic() - started:.1f} s)")
            asyncio.run(_morning(stack, deployment, cast, now))
            if not once:
                _stay_up(deployment)
    finally:
        with console.status("stopping ..."):
            stack.down()


async def _morning(stack: Stack, deployment: Deployment, cast: Cast, now: datetime) -> None:
    ingest, query_api = deployment.services["ingest"].url, deployment.services["query-api"].url
    morning = plan_morning(cast, now)
    async with httpx.AsyncClient(timeout=30) as client:

        def sign(role: str, subject: str) -> str:
            return sign_token(stack.folder, roles=[role], subject=subject, organisation=f"acme-{run_id(now)}")

        plant = Plant(run_id(now), client, ingest, query_api, sign)
        await plant.record(morning, cast.members)
        enrolled = await _enrol(deployment, plant, cast)
        kiosks = {
            name: Kiosk(plant.own(name), sign("device", plant.own(name)), ingest, query_api, client)
            for name in KIOSKS
        }
        view = LiveView()
        run = Run(kiosks, view.result)
        with Live(view, console=console, refresh_per_second=8, transient=True):
            watching = asyncio.create_task(_watch(client, deployment, view))
            try:
                await run.play(morning)
                log, stores = await _settled(stack, deployment, plant.org_id, morning)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        refused = int(
            await metric(client, ingest, "ingest_requests_total", operation="capture", outcome="refused")
        )
        first = (morning.today - timedelta(days=1)).isoformat()
        console.print(attendance_table(await plant.attendance(morning, first), morning.zone))
        console.print(refusals_table(run.played, log, stores))
        figures = count(log, stores, refused)
        console.print(
            f"upload to row, live captures: median {figures.p50_ms} ms, 99th percentile {figures.p99_ms} ms"
        )
        endings(
            console,
            {
                "organisation": plant.org_id,
                "a kiosk": plant.own(KIOSKS[0]),
                "send (ingest)": f"{ingest}/docs",
                "read (query-api)": f"{query_api}/docs",
            },
        )
        console.print(
            f"identification: {identification(run.played, stores, enrolled)}", highlight=False, soft_wrap=True
        )
        if found := complaints(run.played, morning, log, stores, figures, enrolled):
            raise VerificationFailed(f"{figures}\n" + "\n".join(found))
        console.print(f"demo ok: {figures}", highlight=False, soft_wrap=True)


async def _enrol(deployment: Deployment, plant: Plant, cast: Cast) -> set[str]:
    """Enrol everybody and return who has a template that the worker searches."""
    worker = deployment.services["recognition-worker"].url
    before = await metric(plant.client, worker, "recognition_gallery_people")
    with console.status("enrolling ...") as status:
        outcomes = await plant.enrol(
            cast.members,
            lambda decided: status.update(f"enrolling: {decided} of {len(cast.members)} people decided"),
        )
        until = time.monotonic() + SETTLED_WITHIN_SECONDS
        enrolled = {person_id for person_id, outcome in outcomes.items() if outcome == "ENROLLED"}
        while await metric(plant.client, worker, "recognition_gallery_people") < before + len(enrolled):
            if time.monotonic() > until:
                raise DemoError("the gallery did not receive the new templates; see recognition-worker's log")
            await asyncio.sleep(0.05)
    console.print(f"{len(enrolled)} of {len(outcomes)} people enrolled")
    return enrolled


async def _settled(stack: Stack, deployment: Deployment, org_id: str, morning: Morning) -> tuple[Log, Stores]:
    """Return the stores once every capture has its row or its dead letter, or after the deadline."""
    environ = stack.env.environ()
    yesterday = morning.today - timedelta(days=1)
    first = datetime.now(UTC) - timedelta(days=3)
    until = time.monotonic() + SETTLED_WITHIN_SECONDS
    while True:
        deployment.check_alive()
        log = await read_log(environ, org_id)
        stores = await read_stores(environ, org_id, first, yesterday, morning.today)
        missing = log.captures - {row.capture_id for row in stores.captures} - set(log.dead)
        if not missing or time.monotonic() > until:
            return log, stores
        await asyncio.sleep(0.2)


async def _watch(client: httpx.AsyncClient, deployment: Deployment, view: LiveView) -> None:
    """Keep the live view's figures current from the services' metrics."""
    services = deployment.services
    while True:
        for what, service, name in (
            ("ingest: accepted", "ingest", "ingest_acknowledged_seconds_count"),
            ("recognition-worker: decided", "recognition-worker", "recognition_captures_total"),
            ("recognition-worker: templates", "recognition-worker", "recognition_gallery_templates"),
            ("attendance-projector: applied", "attendance-projector", "delivery_records_total"),
        ):
            view.counts[what] = await metric(client, services[service].url, name)
        await asyncio.sleep(0.25)


def _stay_up(deployment: Deployment) -> None:
    console.print("\nup until Ctrl-C; tokens: make token ROLE=analyst")
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        while signal.sigtimedwait(signals, 1.0) is None:
            deployment.check_alive()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def main() -> None:
    """Run the demo; a known error is one line and exit code 1."""
    try:
        cli()
    except (DemoError, LocalStackError) as error:
        Console(stderr=True).print(f"[red]demo failed[/red] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
