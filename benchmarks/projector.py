"""Events per second of live projection and of rebuild, beside what PostgreSQL itself takes, in one run.

`python -m benchmarks.projector [--events N] [--sizes N,N] [--kill]`. Facts go through a real Kafka to the
real service, which stands still while a round is sent: the clock runs while it projects, as that of the
baselines runs while they write. Rounds take turns with the baselines (projector_baselines.py), so that what
else the machine does meets all of them. With `LOCAL_STACK_DURABLE=1`, as `make bench-projector` sets it,
every commit waits for the disk.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer

from attendance_projector.migrate import migrate
from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY, MATCHES, Topic
from benchmarks.projector_baselines import Figures, copy_all, cpu_seconds, measure_baselines
from benchmarks.projector_facts import directory, matches
from benchmarks.projector_fill import fill
from local_stack.databases import Database, create_database, drop_database
from local_stack.environment import StackEnv
from local_stack.lease import leased
from local_stack.settings import cache_folder, stack_folder
from local_stack.stack import Stack

PROJECTOR = (sys.executable, "-m", "attendance_projector")
POLL_SECONDS = 0.02


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Plant:
    """Topics with a prefix of their own, and facts to put into them."""

    def __init__(self, stack: StackEnv, prefix: str, codec: Codec) -> None:
        self._prefix = prefix
        self._codec = codec
        self._producer = Producer(
            {
                "bootstrap.servers": stack.kafka_bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 50,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self.sent = 0

    def publish(self, events: Sequence[Any], topic: Topic) -> None:
        """Send events, and return when the broker has them."""
        for event in events:
            value = self._codec.encode(event, topic)
            self._producer.produce(self._prefix + topic.name, value, topic.key_of(event))
            self._producer.poll(0)
        self._producer.flush()
        self.sent += len(events)


async def consumed(connection: asyncpg.Connection) -> int:
    """Count the records that the live tables have consumed."""
    return int(
        await connection.fetchval(
            "SELECT coalesce(sum(next_offset), 0) FROM attendance.consumed_position"
            # The live service ticks by itself.
            " WHERE topic NOT LIKE '%clock'"
        )
    )


@dataclass
class Projecting:
    """Live projection of a plant by running services, and the CPU that it took."""

    plant: Plant
    connection: asyncpg.Connection
    pids: Sequence[int]
    service_seconds: float = 0.0
    server_seconds: float = 0.0
    count: int = 0

    async def project(self, events: Sequence[Any], topic: Topic) -> float:
        """Publish events while the services stand still, let them project; return events per second."""
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
            " WHERE application_name = 'attendance-projector' AND datname = current_database()"
        )
        return sum(cpu_seconds(row["pid"]) for row in rows)

    def said(self) -> str:
        """Return the CPU of an event in words."""
        service, server = 1e6 * self.service_seconds / self.count, 1e6 * self.server_seconds / self.count
        return f"{service:.0f} microseconds of CPU for an event, {server:.0f} of its PostgreSQL sessions"


def peak_mb(pid: int) -> int:
    """Return the most memory that a process ever held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@asynccontextmanager
async def live_services(environ: dict[str, str], count: int) -> AsyncIterator[list[int]]:
    """Run projectors that share the partitions."""
    processes = [await asyncio.create_subprocess_exec(*PROJECTOR, "run", env=environ) for _ in range(count)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await process.wait()


async def run_rebuild(environ: dict[str, str], workers: int, *, kill_at: str | None = None) -> dict[str, Any]:
    """Run the command and return its report with the seconds of each step; kill it half-way through one."""
    process = await asyncio.create_subprocess_exec(
        *(*PROJECTOR, "rebuild", "--json", "--workers", str(workers)),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101
    steps: dict[str, float] = {}
    said: dict[str, Any] = {}
    began = time.perf_counter()
    async for line in process.stdout:
        if not line.startswith(b"{"):
            continue
        said = json.loads(line)
        if "step" in said:
            steps[said["step"]] = said["seconds"]
            if said["step"] == kill_at and said["done"] * 2 >= said["total"]:
                process.kill()
    code = await process.wait()
    return {"code": code, "seconds": time.perf_counter() - began, "steps": steps, **said}


async def measure(options: argparse.Namespace, stack: StackEnv, database: Database, folder: Path) -> None:
    """Run everything against one database and its topics."""
    prefix = f"b{os.getpid()}."
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": prefix,
        "DATABASE_URL": database.url,
        "ATTENDANCE_PROJECTOR_PORT": "0",
        "ATTENDANCE_PROJECTOR_LOG_LEVEL": "WARNING",
    }
    await migrate(database.url)
    await migrate(database.url, schema="baseline")
    await apply(stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=prefix)
    connection = await asyncpg.connect(database.url)
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        codec = Codec(registry, prefix=prefix)
        await codec.prepare([DIRECTORY, MATCHES])
        plant, figures = Plant(stack, prefix, codec), Figures()
        facts = matches(
            options.people, options.events + options.round * (len(options.sizes) * 3 + options.rounds + 2)
        )
        async with live_services(environ, options.services) as pids:
            live = Projecting(plant, connection, pids)
            await live.project(list(directory(options.people)), DIRECTORY)
            await live.project(list(islice(facts, options.round)), MATCHES)
            live = Projecting(plant, connection, pids)  # from here on they are warm
            say("events per second")
            say(f"{'round':>5} {'live':>8} {'(a) COPY':>9} {'(b) INSERT':>10} {'(c) many':>9}")
            for number in range(options.rounds):
                events = list(islice(facts, options.round))
                figures.live.append(await live.project(events, MATCHES))
                await measure_baselines(connection, events[: options.baseline], figures)
                rate, copied = figures.live[-1], figures.copy_captures[-1]
                one, many = figures.insert_each[-1], figures.executemany[-1]
                say(f"{number:>5} {rate:8.0f} {copied:9.0f} {one:10.0f} {many:9.0f}")
            each = statistics.median(figures.insert_each_cpu)
            say(f"live service: {live.said()}; (b): {each:.0f} of the client and its session")
            say_live(figures)
            while (left := options.events - plant.sent) > 0:
                await live.project(list(islice(facts, min(options.round, left))), MATCHES)
            await measure_rebuild(options, environ, database, plant, figures, folder)
            if options.sizes:
                await measure_flatness(options, database.url, live, facts)
            fsync = await connection.fetchval("SHOW fsync")
            say(f"live service: at most {max(map(peak_mb, pids))} MB; fsync {fsync}")
    await connection.close()


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
    if options.kill:
        killed = await run_rebuild(environ, options.workers, kill_at="load")
        say(f"killed after {killed['seconds']:.1f} s, half-way through the load; the same command again:")
    report = await run_rebuild(environ, options.workers)
    figures.copy_all.append(await copy_all(database.url, folder, plant.sent))
    # After a kill the load is of what was left; its cost for an event is that of all.
    steps = report["steps"]
    seconds = steps["load"] * plant.sent / max(report["records"], 1)
    seconds += sum(steps[step] for step in ("sort", "compute", "index"))
    rate, copied = plant.sent / seconds, statistics.mean(figures.copy_all)
    say(f"rebuild of {plant.sent} events by {options.workers} processes: {report}")
    say(
        f"rebuild: {rate:.0f} events per second to the tables, {plant.sent / report['seconds']:.0f} with "
        f"start, comparison and switch; (a) COPY of the same capture, punch and day rows: {copied:.0f}; "
        f"{rate / copied:.2f} x (a), goal 0.25"
    )


async def measure_flatness(
    options: argparse.Namespace, url: str, live: Projecting, facts: Iterator[MatchDecided]
) -> None:
    """Measure live projection with tables of several sizes."""
    costs = []
    for size in options.sizes:
        began = time.perf_counter()
        rows = await fill(url, size, options.people)
        filled = time.perf_counter() - began
        sized = Projecting(live.plant, live.connection, live.pids)
        rates = [await sized.project(list(islice(facts, options.round)), MATCHES) for _ in range(3)]
        costs.append(1e6 / statistics.median(rates))
        say(f"with {rows} rows (made in {filled:.0f} s): {costs[-1]:.0f} microseconds; {sized.said()}")
    say(f"cost of an event, greatest to smallest size: {costs[-1] / costs[0]:.2f}, goal at most 1.3")


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
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(each) for each in text.split(",") if each],
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
