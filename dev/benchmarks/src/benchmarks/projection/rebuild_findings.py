"""What a rebuild at scale was found to do, and what of it has to be true."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from statistics import mean

import asyncpg

from benchmarks.projection.live_traffic import KeepingUp
from benchmarks.projection.rebuild_runs import RebuildRun, rate_to_tables
from benchmarks.projection.unchanging_reads import Reading

# A process may hold this whatever the number of events; 5,000,000 of them are gigabytes in Kafka.
MEMORY_LIMIT_MB = 300
READS_AFTER_SWITCH = 20
CHECKED = (("attendance_day", "attendance_on"), ("punch", "occurred_at"), ("capture", "occurred_at"))


@dataclass(frozen=True, slots=True)
class Checksum:
    """Rows of a table up to a date: how many, and the sum of their hashes."""

    rows: int
    hashes: Decimal


@dataclass(slots=True)
class Findings:
    """What was measured; `wrong` looks at nothing else. `copies`: events per second of (a)."""

    events: int
    runs: list[RebuildRun] = field(default_factory=list)
    copies: list[float] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    keeping_up: KeepingUp = field(default_factory=KeepingUp)
    live_during: int = 0
    matches_sent: int = 0
    captures: int = 0
    days: int = 0
    checksums: dict[str, tuple[Checksum, Checksum]] = field(default_factory=dict)
    reads_after_switch: int = 0

    @property
    def is_switched(self) -> bool:
        """Say whether the last run put the new tables in place."""
        return bool(self.runs and self.runs[-1].report.get("is_switched"))

    def note_peak(self, process: str, megabytes: int) -> None:
        """Keep the most memory of a kind of process."""
        self.peaks[process] = max(self.peaks.get(process, 0), megabytes)

    def last_line(self) -> str:
        """Return everything in one line."""
        last, pages, statements = self.runs[-1], self.reading.pages, self.reading.statements
        rate = rate_to_tables(self.runs)
        return (
            f"events={self.events} live_during={self.live_during} "
            f"killed={sum(run.killed_in is not None for run in self.runs)} resumed_records={last.records} "
            f"compared={last.report.get('compared')} differences={len(last.report.get('differences', []))} "
            f"reads={len(pages.seconds) + len(statements.seconds)} "
            f"read_errors={len(pages.errors) + len(statements.errors)} "
            f"read_p99_ms={pages.milliseconds(99):.1f} longest_read_ms="
            f"{max(pages.milliseconds(100), statements.milliseconds(100)):.0f} "
            f"schemas_mixed={self.reading.mixed} peak_mb={max(self.peaks.values())} "
            f"rate={rate:.0f} of_copy={rate / mean(self.copies):.2f}"
        )


async def compare_checksums(connection: asyncpg.Connection, to: date, found: Findings) -> Iterator[str]:
    """Hash each table up to a date, now and before the switch, in the server; return them in words.

    Not by the code of the rebuild, and after it: the live service has gone on with the new tables.
    """
    for table, key in CHECKED:
        both = [
            await _checksum(connection, schema, table, key, to)
            for schema in ("attendance", "attendance_previous")
        ]
        found.checksums[table] = (both[0], both[1])
    return (
        f"{table} up to {to}: {now.rows} rows, sum of hashes {now.hashes}; before the switch "
        f"{before.rows}, {before.hashes}"
        for table, (now, before) in found.checksums.items()
    )


async def _checksum(connection: asyncpg.Connection, schema: str, table: str, key: str, to: date) -> Checksum:
    (row,) = await connection.fetch(
        "SELECT count(*) AS rows,"  # noqa: S608
        # No fact decides when a row was written.
        " coalesce(sum(hashtextextended((to_jsonb(t) - 'projected_at')::text, 0)), 0) AS hashes"
        f" FROM {schema}.{table} AS t WHERE {key} < $1::date",
        to + timedelta(days=1),
    )
    return Checksum(row["rows"], row["hashes"])


def wrong(found: Findings) -> Iterator[str]:
    """Yield every promise that was not kept, in words."""
    yield from _wrong_runs(found)
    yield from _wrong_reads(found.reading, found.reads_after_switch)
    for process, megabytes in found.peaks.items():
        if megabytes > MEMORY_LIMIT_MB:
            yield f"{process} held {megabytes} MB, more than {MEMORY_LIMIT_MB}"
    if not found.live_during:
        yield "no live traffic came during the rebuild"
    if found.captures != found.matches_sent:
        yield f"{found.matches_sent} decisions were sent, the tables hold {found.captures} captures"
    if not found.is_switched:
        return
    for table, (now, before) in found.checksums.items():
        if now != before:
            yield f"{table}: {now} after the switch, {before} before"
        if not now.rows:
            yield f"{table} has no rows to compare"
    if not found.checksums:
        yield "nothing was compared after the switch"


def _wrong_runs(found: Findings) -> Iterator[str]:
    in_load, in_compute, last = found.runs
    for run, step in ((in_load, "load"), (in_compute, "compute")):
        if run.killed_in is None:
            yield f"the rebuild was not killed in {step}: it ended with {run.code}"
        elif not 0 < run.killed_in.done < run.killed_in.total:
            yield f"the kill came when {step} was over; more events are needed"
        if len(run.peaks) <= 1:
            yield f"no worker was seen in the run killed in {step}"
    for run in found.runs:
        if run.workers_left:
            yield f"workers {run.workers_left} of a killed rebuild are still there"
    if "load" in in_compute.steps and in_compute.steps["load"].total >= in_load.steps["load"].total * 3 // 4:
        yield "the second run loaded what the first had loaded"
    if last.code or not last.report:
        yield f"the last run ended with {last.code}"
    elif "load" in last.steps or last.records >= found.events or last.report["days"] >= found.days:
        yield f"the last run began again: {last.said()}"
    if last.report.get("differences", ["no report"]):
        yield f"{len(last.report.get('differences', []))} tables and months differ"
    if not last.report.get("compared"):
        yield "nothing was compared"
    if not found.is_switched:
        yield "nothing was switched"


def _wrong_reads(reading: Reading, after_switch: int) -> Iterator[str]:
    for reads, what in ((reading.pages, "pages"), (reading.statements, "statements")):
        if reads.errors:
            yield f"{len(reads.errors)} of {len(reads.seconds)} reads of {what} failed: {reads.errors[0]}"
    if reading.mixed:
        yield f"{reading.mixed} statements read two schemas"
    if after_switch < READS_AFTER_SWITCH:
        yield f"only {after_switch} reads came after the switch"
    if len(reading.schemas) != 2:  # noqa: PLR2004
        yield f"reads saw {len(reading.schemas)} schemas, not the one before and the one after the switch"
