"""A rebuild of millions of events under live traffic and readers, killed twice: does it keep its promises?

`python -m benchmarks.projection.rebuild_at_scale [--events N] [--rate N] [--tamper before|after]`. A
history goes through a real Kafka to the real service. Then, while facts keep coming and readers ask the
real query-api every 50 ms, `rebuild` is killed with SIGKILL half-way through its load, killed again
half-way through computing days, and run to its end. What has to be true is in rebuild_findings; the exit
code is 1 with the reasons when any of it is not. `--tamper` changes one day by hand, before the rebuild or
after its switch: it has to be found, and the exit code to be 1.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from attendance_demo.deployment import Deployment
from attendance_schemas.topics import DIRECTORY
from benchmarks.projection.baselines import copy_all
from benchmarks.projection.facts import FIRST_ON, ORG, SITES, directory, matches, person_id
from benchmarks.projection.live_traffic import Traffic, kept_up, send_history
from benchmarks.projection.rebuild_findings import Findings, compare_checksums, wrong
from benchmarks.projection.rebuild_runs import run_rebuild
from benchmarks.projection.service import (
    Prepared,
    live_services,
    patience,
    peak_mb,
    prepared,
    say,
    until_even,
)
from benchmarks.projection.unchanging_reads import Reading, reading, unchanging_urls
from local_stack.for_tests.databases import Database, create_database, drop_database
from local_stack.keys.tokens import sign_token
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, is_durable, stack_folder

SECONDS_AFTER_SWITCH = 5.0
# A day may get punches until the shift of the day after has begun.
SETTLED_AFTER = timedelta(days=2)
MONTH = timedelta(days=30)
# By day and at night, in both zones, on different sites, without a roster.
READ_PEOPLE = (77, 78, 84)
TAMPER = (
    "UPDATE attendance.attendance_day SET worked_minutes = worked_minutes + 1"
    " WHERE person_id = 'p-00001' AND attendance_on = $1"
)


class ScaleFailed(Exception):
    """A part of the benchmark did not come to its end."""


class AtScale:
    """One plant with a history, its live service, and what was found."""

    def __init__(self, options: argparse.Namespace, made: Prepared, database: Database) -> None:
        self._options = options
        self._plant = made.plant
        self._environ = made.environ
        self._database = database
        self._facts = matches(options.people, None)
        self.found = Findings(options.events)

    async def run(self, stack_at: Path, folder: Path) -> None:
        """Do everything once."""
        options, found, url = self._options, self.found, self._database.url
        self._sql = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
        async with live_services(self._environ, 1) as (self._live,):
            self._plant.publish(directory(options.people), DIRECTORY)
            recorded = self._plant.sent
            await self._even(recorded)
            await send_history(self._plant, self._facts, options.events, self._sql, self._live)
            await self._even(0)
            found.copies.append(await copy_all(url, folder, options.events))
            say(f"(a) COPY of the same rows: {found.copies[0]:.0f} events/s")
            if options.tamper == "before":
                say(f"by hand: {await self._sql.execute(TAMPER, FIRST_ON)}")
            settled = await self._rebuild_under_load(stack_at, folder)
            found.matches_sent = self._plant.sent - recorded
            found.captures = await self._sql.fetchval("SELECT count(*) FROM attendance.capture")
            found.days = await self._sql.fetchval("SELECT count(*) FROM attendance.attendance_day")
            say(f"sent {found.matches_sent} decisions; {found.captures} captures, {found.days} days")
            if options.tamper == "after":
                say(f"by hand: {await self._sql.execute(TAMPER, FIRST_ON)}")
            if found.is_switched:
                for line in await compare_checksums(self._sql, settled, found):
                    say(line)
            found.copies.append(await copy_all(url, folder, found.captures))
            say(f"(a) COPY of the same rows again: {found.copies[1]:.0f} events/s")
            found.note_peak("live service", peak_mb(self._live))
        await self._sql.close()

    async def _even(self, count: int) -> None:
        await until_even(self._sql, self._plant, [self._live], patience(count))

    async def _rebuild_under_load(self, stack_at: Path, folder: Path) -> date:
        """Rebuild while facts come and readers read; both go on after it. Return the last settled date."""
        found, plant = self.found, self._plant
        first = next(self._facts)
        settled = first.occurred_at.date() - SETTLED_AFTER
        if settled < FIRST_ON:
            raise ScaleFailed("these events are not two days of so many people; give more of them")
        traffic = Traffic(plant, chain([first], self._facts), self._options.rate)
        async with AsyncExitStack() as stack:
            api, pid = await stack.enter_async_context(query_api(self._environ, folder / "logs"))
            reads = await stack.enter_async_context(self._readers(stack_at, api, settled))
            found.reading = reads
            await stack.enter_async_context(traffic)
            found.keeping_up = await stack.enter_async_context(kept_up(self._database.url, plant))
            before = traffic.sent
            await self._rebuild_thrice()
            found.live_during = traffic.sent - before
            at_switch = len(reads.pages.seconds)
            await asyncio.sleep(SECONDS_AFTER_SWITCH)
            found.reads_after_switch = len(reads.pages.seconds) - at_switch
            found.note_peak("query-api", peak_mb(pid))
        await self._even(traffic.sent)
        say(f"readers of {self._reads_of}: {reads.pages.said()}")
        say(f"one statement over three tables: {reads.statements.said()}; by schema {reads.schemas}")
        say(
            f"live: {traffic.sent} decisions in {traffic.seconds:.0f} s, {found.live_during} during the "
            f"rebuild; at most {found.keeping_up.behind} behind, longest pause "
            f"{found.keeping_up.longest_pause:.1f} s"
        )
        return settled

    @asynccontextmanager
    async def _readers(self, stack_at: Path, api: str, settled: date) -> AsyncIterator[Reading]:
        """Read what was long ago and what has just settled."""
        lately, long_ago = max(FIRST_ON, settled - MONTH), min(settled, FIRST_ON + MONTH)
        people = [person_id(number) for number in READ_PEOPLE]
        urls = [
            *unchanging_urls(people, SITES[7][0], lately, settled),
            *unchanging_urls(people, SITES[8][0], FIRST_ON, long_ago),
        ]
        self._reads_of = f"{len(urls)} URLs up to {settled}"
        token = sign_token(stack_at, roles=["hr"], subject="reader", organisation=ORG)
        dates = (lately, settled)
        async with reading(api, token, urls, self._database.query_url, people[0], dates) as made:
            yield made

    async def _rebuild_thrice(self) -> None:
        """Kill the rebuild in its load, again in its computing, and run it to its end."""
        found, options = self.found, self._options
        for kill_at in ("load", "compute", None):
            async with asyncio.timeout(patience(options.events)):
                run = await run_rebuild(self._environ, options.workers, kill_at=kill_at)
            found.runs.append(run)
            if "load" not in found.runs[0].steps:
                raise ScaleFailed(f"the rebuild did not begin its load: {run.said()}")
            found.note_peak("rebuild", run.peaks.get(run.pid, 0))
            found.note_peak("a worker of it", run.worker_peak_mb)
            for note in run.notes:
                say(f"  {note}")
            say(f"rebuild: {run.said()}")
            for each in run.report.get("differences", [])[:5]:
                say(f"  differs: {each}")
            if run.killed_in is not None:
                # Those of its earlier steps had ended before.
                say(f"  no worker of it was left {run.workers_ended_within:.2f} s after the kill")


@asynccontextmanager
async def query_api(environ: dict[str, str], folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run query-api as it is deployed; yield its URL and process id."""
    deployment = Deployment(environ, folder)
    try:
        service = await asyncio.to_thread(deployment.start, "query-api", log_level="WARNING")
        yield service.url, service.process.pid
    finally:
        await asyncio.to_thread(deployment.stop_all)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5_000_000, help="decisions before the rebuild")
    parser.add_argument("--rate", type=int, default=200, help="decisions a second during the rebuild")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tamper", choices=("before", "after"), help="change a day by hand; has to be found")
    return parser.parse_args()


async def run(options: argparse.Namespace, stack: Stack) -> list[str]:
    """Make a database, do everything, drop it; return what is wrong."""
    database = await create_database(stack.env)
    try:
        say(
            f"{options.events} events, {options.people} people, {options.rate} live a second, "
            f"{os.cpu_count()} cores, commits {'wait for the disk' if is_durable() else 'do not wait'}"
        )
        with TemporaryDirectory(dir=stack.folder, prefix="rebuild-at-scale-") as folder:
            async with prepared(stack.env, database) as made:
                scale = AtScale(options, made, database)
                await scale.run(stack.folder, Path(folder))
    finally:
        await drop_database(stack.env, database.name)
    found = scale.found
    reasons = list(wrong(found))
    say("most memory, MB: " + ", ".join(f"{name} {number}" for name, number in found.peaks.items()))
    say(f"rebuild at scale {'FAILED' if reasons else 'ok'}: {found.last_line()}")
    return reasons


def main() -> int:
    """Measure against a stack that is started unless it runs; return the exit code."""
    options, root = arguments(), Path.cwd()
    stack = Stack(stack_folder(root=root, name="benchmark"), cache_folder(root=root))
    with leased(stack, keep=False):
        reasons = asyncio.run(run(options, stack))
    for reason in reasons:
        say(f"  {reason}")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
