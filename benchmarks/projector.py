"""Events per second of live projection and of rebuild, beside what PostgreSQL itself takes, in one run.

`python -m benchmarks.projector [--events N] [--sizes N,N] [--kill]`. Facts go through a real Kafka to the
real service. Rounds of live projection take turns with (a) COPY of the same rows, (b) one INSERT ... ON
CONFLICT for each event in its own transaction and (c) the same by executemany, so that what else the machine
does meets all of them. Baselines write one row of `capture` for an event, the projector also a punch and its
day; (a) is given both ways.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer

from attendance_projector.adapters.postgres_captures import CAPTURE_COLUMNS, capture_row
from attendance_projector.migrate import migrate
from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY, MATCHES, Topic
from benchmarks.projector_facts import directory, matches
from local_stack.databases import Database, create_database, drop_database
from local_stack.environment import StackEnv
from local_stack.lease import leased
from local_stack.settings import cache_folder, stack_folder
from local_stack.stack import Stack

PROJECTOR = (sys.executable, "-m", "attendance_projector")
ROWS_PER_EXECUTEMANY = 500
TABLES = ("capture", "punch", "attendance_day")
POLL_SECONDS = 0.02
UPSERT = (
    f"INSERT INTO capture ({', '.join(CAPTURE_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f'${number + 1}' for number in range(len(CAPTURE_COLUMNS)))})"
    " ON CONFLICT (capture_id, occurred_at) DO UPDATE SET outcome = excluded.outcome,"
    " person_id = excluded.person_id, decision_round = excluded.decision_round"
)
# Months before the history, as if the plant had worked before: $1 first and $2 last number, $3 people.
FILL = """
WITH fact AS (
    SELECT number, '2024-12-31 23:00+00'::timestamptz - number * interval '2.2 seconds' AS at,
        'p-' || lpad((number % $3)::text, 5, '0') AS person_id
    FROM generate_series($1::bigint, $2::bigint) AS number
), named AS (
    SELECT *, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(number), 19, '0'))::uuid AS id
    FROM fact
), captured AS (
    INSERT INTO capture (capture_id, occurred_at, org_id, device_id, site_id, device_sequence, direction,
        time_trust, outcome, person_id, score, threshold, margin, model_name, model_version, decision_round,
        image_bucket, image_key, image_sha256, received_at, decided_at)
    SELECT id, at, 'plant', 'kiosk-0-0', 'site-1', number, 'IN', 'SYNCED', 'IDENTIFIED', person_id, 0.7, 0.5,
        0.05, 'sface', '2021dec', 0, 'attendance-images', 'plant/' || number, repeat('0', 64), at, at
    FROM named
), punched AS (
    INSERT INTO punch (punch_id, occurred_at, org_id, person_id, site_id, device_id, direction, method,
        capture_id, placement, placed_on, placed_shift_id)
    SELECT id, at, 'plant', person_id, 'site-1', 'kiosk-0-0', 'IN', 'face', id, 'DAY', (at)::date, 'day'
    FROM named
)
INSERT INTO attendance_day (person_id, attendance_on, shift_id, org_id, site_id, status, worked_minutes, late,
    late_minutes, early, early_minutes, punch_count, explanation, shift_effective_on)
SELECT DISTINCT person_id, (at)::date, 'day', 'plant', 'site-1', 'PRESENT', 480, false, 0, false, 0, 3,
    '[{"rule": "window", "punch": null, "text": "in the window of day"}]'::jsonb, '2024-01-01'::date
FROM named
ON CONFLICT DO NOTHING
"""


@dataclass(slots=True)
class Figures:
    """Events or rows per second, one number for each round."""

    live: list[float] = field(default_factory=list)
    copy_captures: list[float] = field(default_factory=list)
    insert_each: list[float] = field(default_factory=list)
    executemany: list[float] = field(default_factory=list)
    copy_all: list[float] = field(default_factory=list)


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

    def publish(self, events: Sequence[Any], topic: Topic) -> float:
        """Send events, and return the instant at which the first one was sent."""
        values = [(topic.key_of(event), self._codec.encode(event, topic)) for event in events]
        began = time.perf_counter()
        for key, value in values:
            self._producer.produce(self._prefix + topic.name, value, key)
            self._producer.poll(0)
        self._producer.flush()
        self.sent += len(events)
        return began


async def consumed(connection: asyncpg.Connection) -> int:
    """Count the records that the live tables have consumed."""
    return int(
        await connection.fetchval(
            "SELECT coalesce(sum(next_offset), 0) FROM attendance.consumed_position"
            # The live service ticks by itself.
            " WHERE topic NOT LIKE '%clock'"
        )
    )


async def project(plant: Plant, connection: asyncpg.Connection, events: Sequence[Any], topic: Topic) -> float:
    """Publish events and wait until they are projected; return events per second."""
    began = plant.publish(events, topic)
    while await consumed(connection) < plant.sent:  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)
    return len(events) / (time.perf_counter() - began)


async def measure_baselines(
    connection: asyncpg.Connection, events: Sequence[MatchDecided], into: Figures
) -> None:
    """Write one row of `capture` for each event in three ways, into empty tables with the same indexes."""
    rows = [capture_row(event) for event in events]
    dates = sorted({event.occurred_at.date().replace(day=1) for event in events})
    await connection.execute("SET search_path TO baseline")
    await connection.execute("SELECT ensure_partitions('capture', $1::date[])", dates)
    for figures, write in (
        (into.insert_each, _insert_each),
        (into.executemany, _executemany),
        (into.copy_captures, _copy),
    ):
        await connection.execute("TRUNCATE capture")
        began = time.perf_counter()
        await write(connection, rows)
        figures.append(len(rows) / (time.perf_counter() - began))


async def _insert_each(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    for row in rows:
        await connection.execute(UPSERT, *row)


async def _executemany(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    for first in range(0, len(rows), ROWS_PER_EXECUTEMANY):
        await connection.executemany(UPSERT, rows[first : first + ROWS_PER_EXECUTEMANY])


async def _copy(connection: asyncpg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    await connection.copy_records_to_table("capture", records=rows, columns=CAPTURE_COLUMNS)


async def copy_all(url: str, folder: Path, count: int) -> float:
    """COPY all rows of the live tables into empty ones with the same indexes; return events per second."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET search_path TO baseline")
        for table in TABLES:
            await connection.execute(f"TRUNCATE {table}")
            key = "attendance_on" if table == "attendance_day" else "occurred_at"
            await connection.execute(
                f"SELECT ensure_partitions('{table}', array_agg(DISTINCT {key}::date))"  # noqa: S608
                f" FROM attendance.{table}"
            )
            with (folder / table).open("wb") as file:
                await connection.copy_from_query(
                    f"SELECT * FROM attendance.{table}",  # noqa: S608
                    output=file,
                    format="binary",
                )
        began = time.perf_counter()
        for table in TABLES:
            with (folder / table).open("rb") as file:
                await connection.copy_to_table(table, source=file, format="binary")
        return count / (time.perf_counter() - began)
    finally:
        await connection.close()


async def fill(connection: asyncpg.Connection, rows: int, people: int) -> None:
    """Bring `capture` and `punch` to about so many rows with months of before the history."""
    await connection.execute("SET search_path TO attendance")
    present = await connection.fetchval(
        "SELECT count(*) FROM capture WHERE occurred_at < '2024-12-31 23:30+00'"
    )
    for first in range(present, rows, 200_000):
        last = min(rows, first + 200_000) - 1
        dates = await connection.fetch(
            "SELECT DISTINCT date_trunc('month', each)::date AS month FROM generate_series("
            " '2025-01-01'::timestamptz - ($2::bigint + 100000) * interval '2.2 seconds',"
            " '2025-01-31'::timestamptz - $1::bigint * interval '2.2 seconds', '1 day') AS each",
            first,
            last,
        )
        months = [row["month"] for row in dates]
        for table in TABLES:
            await connection.execute(f"SELECT ensure_partitions('{table}', $1::date[])", months)
        await connection.execute(FILL, first, last, people)
    for table in TABLES:
        await connection.execute(f"ANALYZE {table}")


def cpu_seconds(pid: int) -> float:
    """Return the seconds of CPU that a process has used, however busy the machine was."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> int:
    """Return the most memory that a process ever held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@asynccontextmanager
async def live_service(environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the projector."""
    process = await asyncio.create_subprocess_exec(*PROJECTOR, "run", env=environ)
    try:
        yield process
    finally:
        process.terminate()
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
        facts = matches(options.people, options.events + options.round * (len(options.sizes) * 3 + 1))
        async with live_service(environ) as service:
            await project(plant, connection, list(directory(options.people)), DIRECTORY)
            await project(plant, connection, list(islice(facts, options.round)), MATCHES)  # warm
            say("events per second")
            say(f"{'round':>5} {'live':>8} {'(a) COPY':>9} {'(b) INSERT':>10} {'(c) many':>9}")
            for number in range(options.rounds):
                events = list(islice(facts, options.round))
                figures.live.append(await project(plant, connection, events, MATCHES))
                await measure_baselines(connection, events[: options.baseline], figures)
                live, copied = figures.live[-1], figures.copy_captures[-1]
                each, many = figures.insert_each[-1], figures.executemany[-1]
                say(f"{number:>5} {live:8.0f} {copied:9.0f} {each:10.0f} {many:9.0f}")
            while len(events := list(islice(facts, min(options.round * 5, options.events - plant.sent)))) > 0:
                await project(plant, connection, events, MATCHES)
                if plant.sent >= options.events:
                    break
            await measure_rebuild(options, environ, database, plant, figures, folder)
            if options.sizes:
                await measure_flatness(options, plant, connection, facts)
            microseconds = 1e6 * cpu_seconds(service.pid) / plant.sent
            say(
                f"live service: {microseconds:.0f} microseconds of CPU for a record, at most "
                f"{peak_mb(service.pid)} MB; fsync {await connection.fetchval('SHOW fsync')}"
            )
    await connection.close()
    ratio = statistics.median(a / b for a, b in zip(figures.live, figures.insert_each, strict=True))
    beside_many = statistics.median(a / b for a, b in zip(figures.live, figures.executemany, strict=True))
    say(f"live: {ratio:.1f} x (b), goal 10; {beside_many:.2f} x (c); medians of {options.rounds} rounds")


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
    options: argparse.Namespace, plant: Plant, connection: asyncpg.Connection, facts: Any
) -> None:
    """Measure live projection with tables of several sizes."""
    costs = []
    for size in options.sizes:
        await fill(connection, size, options.people)
        rates = [
            await project(plant, connection, list(islice(facts, options.round)), MATCHES) for _ in range(3)
        ]
        costs.append(1e6 / statistics.median(rates))
        say(f"with {size} captures of earlier months: {costs[-1]:.0f} microseconds for an event")
    say(f"cost of an event, greatest to smallest size: {costs[-1] / costs[0]:.2f}, goal at most 1.3")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=60_000, help="decisions to rebuild")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", type=int, default=8_000, help="events of a round")
    parser.add_argument("--baseline", type=int, default=1_500, help="events of a round for the baselines")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(each) for each in text.split(",") if each],
        default=[100_000, 1_000_000],
        help="captures of earlier months for the comparison of costs, such as 1000000,20000000; '' for none",
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
