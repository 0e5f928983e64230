"""Build the read model again beside the live one, from the log, and put it in its place.

1. load      every fact up to where the live tables are, several processes, each its partitions
2. sort      the punches by person, and count the buckets of people that fit into memory
3. compute   every day from all facts of a person, several processes, each its buckets
4. index     what only readers need
5. catch up  with the live tables, by the code of the live service, until little is left to do
6. compare   each table and month, on a snapshot in which both stand at the same positions
7. switch    in one transaction that live projectors wait for and readers do not notice; where tables differ,
             followers of the change feed are told afterwards

Each step leaves behind how far it came, in the transactions that did the work: after a kill, the same command
goes on. Nothing but the tables of the next schema changes before the switch.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial

from attendance_projector.errors import DaysWait, RebuildRefused
from attendance_projector.rebuild.load_log import LoadLog
from attendance_projector.rebuild.ports import (
    LIVE,
    NEXT,
    PREVIOUS,
    Beginnings,
    Comparison,
    DifferingDays,
    Losses,
    Progress,
    Schemas,
    Switch,
)
from attendance_projector.rebuild.report import Options, Report
from attendance_projector.rebuild.tasks import Progressed, RunTogether, share_buckets, share_partitions
from attendance_projector.rebuild.tell_differences import tell_differences
from attendance_projector.rebuild.wait_for_backlog import name_set_aside, wait_for_backlog
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CLOCK,
    CORRECTIONS,
    DEAD_LETTER_SUFFIX,
    DIRECTORY,
    TOPICS,
)
from service_kit.kafka.records import TopicPartition

# A bucket is computed in memory and in one transaction.
PUNCHES_PER_BUCKET = 20_000
# So few records to go that the live service may wait for them, where none of them is about many days.
NEARLY_THERE = 2000


@dataclass(frozen=True, slots=True)
class Means:
    """What a rebuild works with. `open_loading` takes a function, which hears how many records are done."""

    schemas: Schemas
    switch: Switch
    differing: DifferingDays
    losses: Losses
    run_together: RunTogether
    open_loading: Callable[[Callable[[int], None]], AbstractAsyncContextManager[LoadLog]]
    open_comparison: Callable[[], AbstractAsyncContextManager[Comparison]]
    topic_prefix: str


class Rebuild:
    """One rebuild; `run` goes on where an earlier one was stopped, and fills the report."""

    def __init__(self, means: Means, options: Options, progress: Progress, report: Report) -> None:
        self._means = means
        self._schemas = means.schemas
        self._options = options
        self._progress = progress
        self._report = report

    async def run(self) -> None:
        """Rebuild, compare, switch. Raises RebuildRefused, TransientFailure, or what a bug raises."""
        await self._prepare()
        await self._load()
        await self._compute()
        await self._index()
        async with self._means.open_loading(self._caught_up) as loading:
            await self._finish(loading)
        self._report.passed_over += loading.passed_over
        if self._report.differences and self._report.is_switched:
            told = await tell_differences(self._means.differing, self._progress)
            self._progress.note(f"{told} days that differ were told to followers of the change feed")

    async def _prepare(self) -> None:
        if await self._schemas.resume():
            self._check_asked((await self._schemas.read("prepared"))["asked"])
            self._progress.note(f"going on with the rebuild in {NEXT}")
        else:
            await self._schemas.create()
            await self._schemas.prepare(self._options.keep_before)
        kept = await self._schemas.read("kept_before")
        if kept is not None:
            self._progress.note(f"captures and punches before {kept} are those of the live tables")
        live = await self._schemas.positions(LIVE)
        if not live:
            raise RebuildRefused("the live tables have consumed nothing; there is nothing to rebuild")
        for partition, loss in sorted((await self._means.losses(live)).items()):
            if self._is_needed_whole(partition.topic):
                name = f"{partition.topic}[{partition.partition}]"
                self._report.expired[name] = loss.count
                which = (
                    f"begins at {loss.before}: the {loss.count} records before it"
                    if loss.begins_late
                    else f"lacks {loss.count} records before {loss.before}, which the archive missed: they"
                )
                self._progress.note(
                    f"{name} {which} have expired and cannot be rebuilt; --from keeps what the live tables "
                    "have of them"
                )

    def _check_asked(self, asked: str | None) -> None:
        """Raise RebuildRefused when the tables were begun with another `--from`."""
        wanted = None if self._options.keep_before is None else self._options.keep_before.isoformat()
        if asked != wanted:
            begun, now = (f"with --from {each[:7]}" if each else "without --from" for each in (asked, wanted))
            raise RebuildRefused(
                f"the unfinished rebuild in {NEXT} was begun {begun}, this one is {now}; run it as it was "
                "begun, or drop it with --discard and begin anew"
            )

    async def _load(self) -> None:
        if await self._schemas.read("loaded"):
            return
        live, positions = await self._schemas.positions(LIVE), await self._schemas.positions(NEXT)
        targets = {each: offset for each, offset in live.items() if positions.get(each, 0) < offset}
        self._progress.step("load", sum(offset - positions.get(each, 0) for each, offset in targets.items()))
        for names, workers in self._turns(targets):
            part = {each: to for each, to in targets.items() if each.topic in names}
            await self._means.run_together(share_partitions(positions, part, workers), self._hear_load)
        await self._schemas.write("loaded", value=True)

    async def _compute(self) -> None:
        if await self._schemas.read("computed"):
            return
        self._progress.step("sort", 1)
        count = await self._schemas.read("buckets")
        if count is None:
            count = await self._schemas.waiting_punches() // PUNCHES_PER_BUCKET + self._options.workers
            await self._schemas.write("buckets", count)
        self._progress.advance(1)
        self._progress.step("compute", count)
        await self._means.run_together(share_buckets(count, self._options.workers), self._hear_compute)
        await self._schemas.write("computed", value=True)

    async def _index(self) -> None:
        if await self._schemas.read("indexed"):
            return
        self._progress.step("index", len(await self._schemas.read("indexes")) + 1)
        async for _name in self._schemas.build_indexes():
            self._progress.advance(1)
        await self._schemas.write("indexed", value=True)

    async def _finish(self, loading: LoadLog) -> None:
        await self._compare(loading)
        if not self._options.switch:
            return
        if self._report.differences and not self._options.accept_differences:
            raise RebuildRefused(
                f"{len(self._report.differences)} tables and months differ; nothing was switched. "
                "Look at the differences, then run it again with --accept-differences, or --discard"
            )
        await self._switch(loading)
        self._progress.step("switch", 1)
        self._report.is_switched = True
        self._progress.advance(1)

    async def _compare(self, loading: LoadLog) -> None:
        tables = await self._schemas.compared_tables()
        async with self._means.open_comparison() as comparison:
            await self._begin_comparison(comparison, loading)
            for schema in (LIVE, NEXT):
                await name_set_aside(self._schemas, self._progress, schema)
            self._progress.step("compare", len(tables))
            for table in tables:
                self._report.compared += await comparison.compare(table)
                self._progress.advance(1)

    async def _begin_comparison(self, comparison: Comparison, loading: LoadLog) -> None:
        while True:
            await wait_for_backlog(self._schemas, self._progress)
            await self._come_near(loading)
            with suppress(DaysWait):
                async with self._schemas.live_stopped():
                    await self._check_computed(LIVE)
                    await self._become_even(loading)
                    # From then on the live service can go on.
                    await comparison.take_snapshot()
                return

    async def _switch(self, loading: LoadLog) -> None:
        while True:
            # While millions of rows were compared, the live service went on.
            await self._come_near(loading)
            with suppress(DaysWait):
                await self._means.switch.put_in_place(partial(self._become_even, loading))
                return

    async def _come_near(self, loading: LoadLog) -> None:
        """Catch up until so little is left that the live service may wait: few records, and no days."""
        while await self._catch_up(loading) > NEARLY_THERE or await loading.work_off():
            pass

    async def _become_even(self, loading: LoadLog) -> None:
        """Catch up while the live service waits. Raises DaysWait when there are too many days to wait for."""
        await self._catch_up(loading)
        await self._check_computed(NEXT)

    async def _check_computed(self, schema: str) -> None:
        if left := await self._schemas.backlog(schema):
            raise DaysWait(f"{left} spans of days wait in {schema}; they are computed first")

    async def _catch_up(self, loading: LoadLog) -> int:
        """Bring the next tables to where the live ones are now, never further; return by how many records."""
        targets = await self._schemas.positions(LIVE)
        count = _between(await self._schemas.positions(NEXT), targets)
        self._progress.step("catch up", count)
        await loading.load(targets)
        return count

    def _turns(self, targets: Mapping[TopicPartition, int]) -> list[tuple[set[str], int]]:
        """Return which topics are loaded one after the other, each with the processes that may share it.

        The directory first: what refers to it finds it. Corrections and reviews last, since they are judged
        by what they are about, and with them the clock, which asks how far devices have reported. All of
        these are few, and one process reads them.
        """
        prefix = self._means.topic_prefix
        first, last = {prefix + DIRECTORY.name}, {prefix + CORRECTIONS.name, prefix + CLOCK.name}
        between = {each.topic for each in targets} - first - last
        return [(first, 1), (between, self._options.workers), (last, 1)]

    def _is_needed_whole(self, topic: str) -> bool:
        """Say whether an expired record is missing: not where the last of a key, or of a time, counts."""
        known = TOPICS.get(topic.removeprefix(self._means.topic_prefix))
        if known is None:
            return not topic.endswith(DEAD_LETTER_SUFFIX)
        return not known.is_compacted and known not in (CAPTURES, CAPTURES_BACKLOG)

    def _hear_load(self, said: Progressed) -> None:
        self._report.records += said.done
        self._hear(said)

    def _hear_compute(self, said: Progressed) -> None:
        self._report.days += said.days
        self._hear(said)

    def _hear(self, said: Progressed) -> None:
        self._report.passed_over += said.passed_over
        self._report.peak_memory_mb = max(self._report.peak_memory_mb, said.peak_memory_mb)
        self._progress.advance(said.done)

    def _caught_up(self, count: int) -> None:
        self._report.records += count
        self._progress.advance(count)


def _between(positions: Mapping[TopicPartition, int], targets: Mapping[TopicPartition, int]) -> int:
    """Count the records between positions and those to reach."""
    return sum(max(0, offset - positions.get(each, 0)) for each, offset in targets.items())


async def roll_back(schemas: Schemas, switch: Switch, beginnings: Beginnings) -> None:
    """Put the tables that the last switch took away back in their place. Raises RebuildRefused."""

    async def check() -> None:
        positions = await schemas.positions(PREVIOUS)
        first = await beginnings(list(positions))
        lost = [f"{each.topic}[{each.partition}]" for each, at in positions.items() if first[each] > at]
        if lost:
            raise RebuildRefused(
                f"records after the positions of {PREVIOUS} have expired in {', '.join(lost)}; "
                "rebuild instead"
            )

    await switch.roll_back(check)
