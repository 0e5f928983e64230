"""Build the read model again beside the live one, from the log, and put it in its place.

1. load      every fact up to where the live tables are, several processes, each its partitions
2. compute   every day from all facts of a person, several processes, each its people
3. index     what only readers need
4. catch up  with the live tables, by the code of the live service
5. compare   each table and month, on a snapshot in which both stand at the same positions
6. switch    in one transaction that live projectors wait for and readers do not notice; where tables differ,
             followers of the change feed are told afterwards

Each step leaves behind how far it came, in the transactions that did the work: after a kill, the same command
goes on. Nothing but the tables of the next schema changes before the switch.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import asyncpg
from prometheus_client import CollectorRegistry

from attendance_projector.errors import RebuildRefused
from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.postgres_read_model import NextReadModel, open_pool
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.rebuild.adapters.kafka_log import beginnings, records_until
from attendance_projector.rebuild.adapters.postgres_comparison import Compared, compare_tables
from attendance_projector.rebuild.adapters.postgres_schemas import (
    CARRIED,
    LIVE,
    NEXT,
    PREVIOUS,
    REPORTING,
    PostgresSchemas,
    open_schemas,
)
from attendance_projector.rebuild.load_log import LoadLog
from attendance_projector.rebuild.processes import run_together, share_buckets, share_partitions
from attendance_projector.rebuild.tell_differences import Steps, tell_differences
from attendance_projector.rebuild.worker import (
    GROUP,
    RECORDS_AT_ONCE,
    SERVER_SETTINGS,
    Progressed,
    peak_memory_mb,
)
from attendance_projector.settings import Settings
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CLOCK, CORRECTIONS, DIRECTORY, TOPICS
from service_kit.kafka.records import TopicPartition

CatchUp = Callable[[], Awaitable[None]]
# A bucket is computed in memory and in one transaction.
PUNCHES_PER_BUCKET = 20_000
# So few records to go that the live service may wait for them.
NEARLY_THERE = 2000


class Progress(Steps, Protocol):
    """Hears how a rebuild goes on."""

    def note(self, text: str) -> None:
        """Say something that a person should know."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `keep_before`: facts of earlier dates come from the live tables."""

    workers: int = os.cpu_count() or 1
    keep_before: date | None = None
    switch: bool = True
    accept_differences: bool = False


@dataclass(slots=True)
class Report:
    """What a rebuild did. `expired`: records that the log has lost, by partition."""

    records: int = 0
    days: int = 0
    passed_over: int = 0
    peak_memory_mb: int = 0
    expired: dict[str, int] = field(default_factory=dict)
    compared: list[Compared] = field(default_factory=list)
    is_switched: bool = False

    @property
    def differences(self) -> list[Compared]:
        """Tables and months that are not equal."""
        return [each for each in self.compared if not each.is_equal]


class Rebuild:
    """One rebuild; `run` goes on where an earlier one was stopped."""

    def __init__(self, settings: Settings, options: Options, progress: Progress) -> None:
        self._settings = settings
        self._options = options
        self._progress = progress
        self.report = Report()

    async def run(self) -> Report:
        """Rebuild, compare, switch. Raises RebuildRefused, TransientFailure, or what a bug raises."""
        url = self._settings.database.url.get_secret_value()
        async with open_schemas(url) as schemas:
            await self._prepare(schemas)
            await self._load(schemas)
            await self._compute(schemas)
            await self._index(schemas)
            await self._finish(schemas, url)
        self.report.peak_memory_mb = max(self.report.peak_memory_mb, peak_memory_mb())
        return self.report

    async def _prepare(self, schemas: PostgresSchemas) -> None:
        if await schemas.resume():
            self._progress.note(f"going on with the rebuild in {NEXT}")
        else:
            await schemas.create()
            # Facts about final months do not count any more; what they made is in the live tables.
            kept = [self._options.keep_before, (await schemas.retention()).facts_from]
            if any(kept):
                await schemas.keep_from_live(max(each for each in kept if each is not None))
        kept = await schemas.read("kept_before")
        if kept is not None:
            self._progress.note(f"captures and punches of before {kept} are those of the live tables")
        live = await schemas.positions(LIVE)
        if not live:
            raise RebuildRefused("the live tables have consumed nothing; there is nothing to rebuild")
        for partition, offset in sorted((await beginnings(self._settings.kafka, list(live))).items()):
            if offset and not self._is_compacted(partition.topic):
                name = f"{partition.topic}[{partition.partition}]"
                self.report.expired[name] = offset
                self._progress.note(
                    f"{name} begins at {offset}: the {offset} records before it have expired and cannot "
                    "be rebuilt; --from keeps what the live tables have of them"
                )

    async def _load(self, schemas: PostgresSchemas) -> None:
        if await schemas.read("loaded"):
            return
        live, positions = await schemas.positions(LIVE), await schemas.positions(NEXT)
        targets = {each: offset for each, offset in live.items() if positions.get(each, 0) < offset}
        self._progress.step("load", sum(offset - positions.get(each, 0) for each, offset in targets.items()))
        for names, workers in self._turns(targets):
            part = {each: to for each, to in targets.items() if each.topic in names}
            await run_together(share_partitions(positions, part, workers), self._hear_load)
        await schemas.write("loaded", value=True)

    async def _compute(self, schemas: PostgresSchemas) -> None:
        if await schemas.read("computed"):
            return
        self._progress.step("sort", 1)
        count = await schemas.read("buckets")
        if count is None:
            count = await schemas.waiting_punches() // PUNCHES_PER_BUCKET + self._options.workers
            await schemas.write("buckets", count)
        self._progress.advance(1)
        self._progress.step("compute", count)
        await run_together(share_buckets(count, self._options.workers), self._hear_compute)
        await schemas.write("computed", value=True)

    async def _index(self, schemas: PostgresSchemas) -> None:
        if await schemas.read("indexed"):
            return
        self._progress.step("index", len(await schemas.read("indexes")) + 1)
        async for _name in schemas.build_indexes():
            self._progress.advance(1)
        await schemas.write("indexed", value=True)

    async def _finish(self, schemas: PostgresSchemas, url: str) -> None:
        async with AsyncExitStack() as stack:
            registry = await stack.enter_async_context(SchemaRegistry(self._settings.registry.url))
            pool = await stack.enter_async_context(open_pool(url, schema=NEXT, settings=SERVER_SETTINGS))
            read_model = NextReadModel(pool)
            metrics = ProjectorMetrics(CollectorRegistry())
            reader = AvroEventReader(Codec(registry), prefix=self._settings.kafka.topic_prefix)
            applying = ApplyRecords(reader, read_model, metrics, is_tracing=False)
            replay = LoadLog(applying, read_model, self._caught_up)

            async def catch_up() -> None:
                """Bring the next schema to where the live one is now, never further."""
                positions, targets = await schemas.positions(NEXT), await schemas.positions(LIVE)
                self._progress.step("catch up", _between(positions, targets))
                group = self._settings.kafka.group(GROUP)
                chunks = records_until(
                    self._settings.kafka, group, positions, targets, max_records=RECORDS_AT_ONCE
                )
                await replay.replay(chunks)

            async def come_near() -> None:
                """Catch up until so little is left that the live service may wait for it."""
                while _between(await schemas.positions(NEXT), await schemas.positions(LIVE)) > NEARLY_THERE:
                    await catch_up()

            await come_near()
            await self._compare(schemas, url, catch_up)
            if not self._options.switch:
                return
            if self.report.differences and not self._options.accept_differences:
                raise RebuildRefused(
                    f"{len(self.report.differences)} tables and months differ; nothing was switched. "
                    "Look at the differences, then run it again with --accept-differences, or --discard"
                )
            # While millions of rows were compared, the live service went on.
            await come_near()
            await schemas.switch(catch_up)
            self._progress.step("switch", 1)
            self.report.is_switched = True
            self._progress.advance(1)
        self.report.passed_over += replay.passed_over
        if self.report.differences:
            told = await tell_differences(schemas, self._progress)
            self._progress.note(f"{told} days that differ were told to followers of the change feed")

    async def _compare(self, schemas: PostgresSchemas, url: str, catch_up: CatchUp) -> None:
        tables = [each for each in await schemas.tables(LIVE) if each.name not in (*REPORTING, *CARRIED)]
        connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
        try:
            async with schemas.live_stopped():
                await catch_up()
                snapshot = connection.transaction(isolation="repeatable_read", readonly=True)
                await snapshot.start()
                # The snapshot is taken by the first query; from then on the live service can go on.
                await connection.fetchval("SELECT txid_current_snapshot()")
            self._progress.step("compare", len(tables))
            for table in tables:
                self.report.compared += [each async for each in compare_tables(connection, [table])]
                self._progress.advance(1)
            await snapshot.rollback()
        finally:
            connection.terminate()

    def _turns(self, targets: Mapping[TopicPartition, int]) -> list[tuple[set[str], int]]:
        """Return which topics are loaded one after the other, each with the processes that may share it.

        The directory first: what refers to it finds it. Corrections and reviews last, since they are judged
        by what they are about, and with them the clock, which asks how far devices have reported. All of
        these are few, and one process reads them.
        """
        prefix = self._settings.kafka.topic_prefix
        first, last = {prefix + DIRECTORY.name}, {prefix + CORRECTIONS.name, prefix + CLOCK.name}
        between = {each.topic for each in targets} - first - last
        return [(first, 1), (between, self._options.workers), (last, 1)]

    def _is_compacted(self, topic: str) -> bool:
        known = TOPICS.get(topic.removeprefix(self._settings.kafka.topic_prefix))
        return known is not None and "compact" in known.cleanup

    def _hear_load(self, said: Progressed) -> None:
        self.report.records += said.done
        self._hear(said)

    def _hear_compute(self, said: Progressed) -> None:
        self.report.days += said.days
        self._hear(said)

    def _hear(self, said: Progressed) -> None:
        self.report.passed_over += said.passed_over
        self.report.peak_memory_mb = max(self.report.peak_memory_mb, said.peak_memory_mb)
        self._progress.advance(said.done)

    def _caught_up(self, count: int) -> None:
        self.report.records += count
        self._progress.advance(count)


def _between(positions: Mapping[TopicPartition, int], targets: Mapping[TopicPartition, int]) -> int:
    """Count the records between positions and those to reach."""
    return sum(max(0, offset - positions.get(each, 0)) for each, offset in targets.items())


async def roll_back(settings: Settings) -> None:
    """Put the tables of before the last switch back in their place. Raises RebuildRefused."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:

        async def check() -> None:
            positions: Mapping[TopicPartition, int] = await schemas.positions(PREVIOUS)
            first = await beginnings(settings.kafka, list(positions))
            lost = [
                f"{each.topic}[{each.partition}]"
                for each, offset in positions.items()
                if first[each] > offset
            ]
            if lost:
                raise RebuildRefused(
                    f"records after the positions of {PREVIOUS} have expired in {', '.join(lost)}; "
                    "rebuild instead"
                )

        await schemas.roll_back(check)


async def tell(settings: Settings, progress: Progress) -> None:
    """Tell which days are others than before the last switch or rollback. Raises RebuildRefused."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        told = await tell_differences(schemas, progress)
    progress.note(f"{told} days that differ were told to followers of the change feed")


async def discard(settings: Settings) -> None:
    """Drop what an unfinished rebuild left."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        await schemas.discard()
