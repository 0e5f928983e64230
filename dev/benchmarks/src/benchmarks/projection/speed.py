"""Events per second of live projection and of rebuild, beside what PostgreSQL itself takes, in one run.

`python -m benchmarks.projection.speed [--events N] [--sizes N,N] [--kill]`. Facts go through a real Kafka
to the real service, which stands still while a round is sent: the clock runs while it projects, as that of
the baselines runs while they write. Rounds take turns with the baselines (baselines.py), so that what else
the machine does meets all of them. With `LOCAL_STACK_DURABLE=1`, as `make bench-projector` sets it, every
commit waits for the disk.
"""

import argparse
import asyncio
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg

from attendance_schemas.events import MatchDecided
from attendance_schemas.topics import DIRECTORY, MATCHES, Topic
from benchmarks.projection.baselines import Figures, copy_all, cpu_seconds, measure_baselines
from benchmarks.projection.facts import directory, matches
from benchmarks.projection.fill import fill
from benchmarks.projection.floor import measure_floor
from benchmarks.projection.rebuild_runs import rate_to_tables, run_rebuild
from benchmarks.projection.service import Plant, consumed, live_services, peak_mb, prepared, say
from local_stack.environment import StackEnv
from local_stack.for_tests.databases import Database, create_database, drop_database
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder

POLL_SECONDS = 0.02
SETTINGS_WITHIN = 10.0
LEFT = "SELECT EXISTS (SELECT FROM attendance.stale_span) OR EXISTS (SELECT FROM attendance.outbox)"


@dataclass
class Projecting:
    """Live projection of a plant by running services, and the CPU that it took."""

    plant: Plant
    connection: asyncpg.Connection
    pids: Sequence[int]
    service_seconds: float = 0.0
    server_seconds: float = 0.0
    told_seconds: float = 0.0
    count: int = 0

    async def project(self, events: Sequence[Any], topic: Topic) -> float:
        """Publish events while the services stand still, let them project; return events per second.

        Returns when the days of a directory are computed and all changes told as well, so that nothing of it
        lasts into what follows.
        """
        self._signal(signal.SIGSTOP)
        try:
            self.plant.publish(events, topic)
        finally:
            self._signal(signal.SIGCONT)
        service, server = self._service_cpu(), await self._server_cpu()
        began = time.perf_counter()
        while await consumed(self.connection) < self.plant.sent:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
        while await self.connection.fetchval(LEFT):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        self.told_seconds += time.perf_counter() - began
        self.service_seconds += self._service_cpu() - service
        self.server_seconds += await self._server_cpu() - server
        self.count += len(events)
        return len(events) / seconds

    def _signal(self, number: int) -> None:
        for pid in self.pids:
            os.kill(pid, number)

    def _service_cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids)

    async def _server_cpu(self) -> float:
        """Return the CPU of the server's processes that the service talks to."""
        rows = await self.connection.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name LIKE 'attendance-projector%' AND datname = current_database()"
        )
        return sum(cpu_seconds(row["pid"]) for row in rows)

    def said(self) -> str:
        """Return the CPU of an event in words."""
        service, server = 1e6 * self.service_seconds / self.count, 1e6 * self.server_seconds / self.count
        told = self.count / self.told_seconds
        return (
            f"{service:.0f} microseconds of CPU for an event, {server:.0f} of its PostgreSQL sessions;"
            f" {told:.0f} a second until their changes are told"
        )


async def measure(options: argparse.Namespace, stack: StackEnv, database: Database, folder: Path) -> None:
    """Run everything against one database and its topics."""
    async with prepared(stack, database) as made:
        connection = await asyncpg.connect(database.url)
        plant, environ, figures = made.plant, made.environ, Figures()
        facts = matches(options.people, None)
        async with live_services(environ, options.services, feed_apart=options.feed_apart) as pids:
            live = Projecting(plant, connection, pids)
            await live.project(list(directory(options.people)), DIRECTORY)
            await live.project(list(islice(facts, options.round)), MATCHES)
            live = Projecting(plant, connection, pids)  # from here on they are warm
            await measure_rounds(options, live, facts, figures)
            each = statistics.median(figures.insert_each_cpu)
            say(f"live service: {live.said()}; (b): {each:.0f} of the client and its session")
            events = list(islice(facts, options.round))
            values = [plant.value_of(event, MATCHES) for event in events]
            floor = await measure_floor(connection, database.url, stack.schema_registry_url, events, values)
            bound = floor / statistics.median(figures.insert_each)
            say(f"(d) decoding, rules and COPY alone, on every core: {floor:.0f}; {bound:.1f} x (b)")
            await measure_slow_commits(options, stack.postgres_admin_url, live, facts)
            while (left := options.events - plant.sent) > 0:
                await live.project(list(islice(facts, min(options.round, left))), MATCHES)
            await measure_rebuild(options, environ, database, plant, figures, folder)
            if options.sizes:
                await measure_flatness(options, database.url, live, facts)
            fsync = await connection.fetchval("SHOW fsync")
            say(f"live service: at most {max(map(peak_mb, pids))} MB; fsync {fsync}")
        await connection.close()


async def measure_rounds(
    options: argparse.Namespace, live: Projecting, facts: Iterator[MatchDecided], figures: Figures
) -> None:
    """Measure live projection and the baselines in turns."""
    say("events per second")
    say(f"{'round':>5} {'live':>8} {'(a) COPY':>9} {'(b) INSERT':>10} {'(c) many':>9}")
    for number in range(options.rounds):
        events = list(islice(facts, options.round))
        figures.live.append(await live.project(events, MATCHES))
        await measure_baselines(live.connection, events[: options.baseline], figures)
        rate, copied = figures.live[-1], figures.copy_captures[-1]
        one, many = figures.insert_each[-1], figures.executemany[-1]
        say(f"{number:>5} {rate:8.0f} {copied:9.0f} {one:10.0f} {many:9.0f}")
    say_live(figures)


async def measure_slow_commits(
    options: argparse.Namespace, admin_url: str, live: Projecting, facts: Iterator[MatchDecided]
) -> None:
    """Measure again while the server waits before each flush, as for a slower disk or a standby."""
    admin = await asyncpg.connect(admin_url)
    try:
        for milliseconds in options.commit_ms:
            await _delay_commits(admin, live.connection, milliseconds * 1000)
            say(f"with commits that take {milliseconds} ms longer (commit_delay):")
            await measure_rounds(options, live, facts, Figures())
    finally:
        await admin.execute("ALTER SYSTEM RESET ALL")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()


async def _delay_commits(admin: asyncpg.Connection, other: asyncpg.Connection, microseconds: int) -> None:
    await admin.execute("ALTER SYSTEM SET commit_siblings = 0")
    await admin.execute(f"ALTER SYSTEM SET commit_delay = {microseconds}")
    await admin.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(SETTINGS_WITHIN):
        # A session reads them between two commands.
        while await other.fetchval("SHOW commit_delay") != str(microseconds):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)


def say_live(figures: Figures) -> None:
    """Print how live projection compares."""
    ratio = statistics.median(a / b for a, b in zip(figures.live, figures.insert_each, strict=True))
    beside_many = statistics.median(a / b for a, b in zip(figures.live, figures.executemany, strict=True))
    rounds = len(figures.live)
    say(f"live: {ratio:.1f} x (b), goal 10; {beside_many:.2f} x (c); medians of {rounds} rounds")


async def measure_rebuild(
    options: argparse.Namespace,
    environ: dict[str, str],
    database: Database,
    plant: Plant,
    figures: Figures,
    folder: Path,
) -> None:
    """COPY all rows, rebuild them, COPY again."""
    figures.copy_all.append(await copy_all(database.url, folder, plant.sent))
    runs = []
    if options.kill:
        runs.append(await run_rebuild(environ, options.workers, kill_at="load"))
        say(f"killed after {runs[0].seconds:.1f} s, half-way through the load; the same command again:")
    runs.append(await run_rebuild(environ, options.workers))
    figures.copy_all.append(await copy_all(database.url, folder, plant.sent))
    rate, copied = rate_to_tables(runs), statistics.mean(figures.copy_all)
    say(f"rebuild of {plant.sent} events by {options.workers} processes: {runs[-1].said()}")
    say(
        f"rebuild: {rate:.0f} events per second to the tables, "
        f"{plant.sent / sum(run.seconds for run in runs):.0f} with "
        f"start, comparison and switch; (a) COPY of the same capture, punch and day rows: {copied:.0f}; "
        f"{rate / copied:.2f} x (a), goal 0.25"
    )


async def measure_flatness(
    options: argparse.Namespace, url: str, live: Projecting, facts: Iterator[MatchDecided]
) -> None:
    """Measure live projection with the rows that the rounds made, then with tables of several sizes."""
    costs = []
    for size in (0, *options.sizes):
        began = time.perf_counter()
        rows = await fill(url, size, options.people)
        filled = time.perf_counter() - began
        sized = Projecting(live.plant, live.connection, live.pids)
        rates = [await sized.project(list(islice(facts, options.round)), MATCHES) for _ in range(3)]
        costs.append(1e6 / statistics.median(rates))
        say(f"with {rows} rows (made in {filled:.0f} s): {costs[-1]:.0f} microseconds; {sized.said()}")
    say(f"cost of an event, greatest to smallest size: {costs[-1] / costs[0]:.2f}, goal at most 1.1")


def numbers(text: str) -> list[int]:
    """Read whole numbers between commas."""
    return [int(each) for each in text.split(",") if each]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000, help="decisions to rebuild")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", type=int, default=20_000, help="events of a round")
    parser.add_argument("--baseline", type=int, default=1_500, help="events of a round for the baselines")
    parser.add_argument("--services", type=int, default=1, help="live projectors that share the partitions")
    parser.add_argument(
        "--commit-ms",
        type=numbers,
        default=[1, 2],
        help="measure live projection also with commits that take so many ms longer; '' for no such run",
    )
    parser.add_argument("--feed-apart", action="store_true", help="tell changes in a process of its own")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--sizes",
        type=numbers,
        default=[1_000_000, 20_000_000],
        help="rows of capture, punch and attendance_day together for the comparison of costs; '' for none",
    )
    parser.add_argument("--kill", action="store_true", help="kill -9 the rebuild half-way and run it again")
    return parser.parse_args()


async def run(options: argparse.Namespace, stack: StackEnv) -> None:
    """Make a database, measure, drop it."""
    database = await create_database(stack)
    folder = Path(stack_folder(root=Path.cwd(), name="benchmark")) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        say(f"{options.events} events, {options.people} people, {os.cpu_count()} cores")
        await measure(options, stack, database, folder)
    finally:
        await drop_database(stack, database.name)
        for file in folder.iterdir():
            file.unlink()


def main() -> None:
    """Measure against a stack that is started unless it runs."""
    options, root = arguments(), Path.cwd()
    stack = Stack(stack_folder(root=root, name="benchmark"), cache_folder(root=root))
    with leased(stack, keep=False):
        asyncio.run(run(options, stack.env))


if __name__ == "__main__":
    main()
