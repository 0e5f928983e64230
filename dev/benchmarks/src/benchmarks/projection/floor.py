"""What is left of live projection when everything is taken away that could be: a bound for any projector.

(d): every core decodes its people's events, applies the rules to them once, and writes the rows by COPY into
empty tables in one transaction. Records and people are in memory before the clock starts. There is no Kafka,
no position, no lock, no check, nothing stored to be read, no day that changes, and nobody is told.
"""

import asyncio
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import asyncpg

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.facts import Punch, PunchId
from attendance_projector.projection.adapters.postgres_captures import (
    CAPTURE_COLUMNS,
    PUNCH_COLUMNS,
    capture_row,
    punch_row,
)
from attendance_projector.projection.adapters.postgres_days import COPIED, copy_days
from attendance_projector.projection.days.compute_days import REVIEW
from attendance_projector.projection.days.rule_inputs import as_punch
from attendance_projector.projection.directory.adapters.postgres_directory import PostgresDirectory
from attendance_projector.projection.directory.adapters.remembered_directory import DirectoryMemory
from attendance_projector.projection.judge_decisions import known_capture, punch_of
from attendance_projector.projection.stored import AcceptedPunch, KnownPerson, PersonDay, PersonKey, Place
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event, MatchDecided
from attendance_schemas.registry import SchemaRegistry
from service_kit.collect_rarely import collect_rarely

TABLES = ("capture", "punch", *COPIED)
# A process that has failed is waited for no longer than this.
READY_SECONDS = 120.0


@dataclass(slots=True)
class Rows:
    """What is copied."""

    captures: list[tuple[object, ...]] = field(default_factory=list)
    punches: list[tuple[object, ...]] = field(default_factory=list)
    days: list[PersonDay] = field(default_factory=list)


async def measure_floor(
    connection: asyncpg.Connection,
    url: str,
    registry_url: str,
    events: Sequence[MatchDecided],
    values: Sequence[bytes],
) -> float:
    """Return the events per second of all cores together. values: the events as they lie in Kafka."""
    await connection.execute("SET search_path TO baseline")
    # A day may lie in the month next to that of its punches in UTC.
    days = (event.occurred_at.date() + timedelta(days=number) for event in events for number in (-1, 0, 1))
    dates = sorted({day.replace(day=1) for day in days})
    for table in TABLES:
        await connection.execute(f"TRUNCATE {table}")
    await connection.execute("SELECT ensure_partitions(table_name, $1::date[]) FROM partitioned_table", dates)
    cores = os.cpu_count() or 1
    shares: list[list[bytes]] = [[] for _ in range(cores)]
    people: list[set[PersonKey]] = [set() for _ in range(cores)]
    for event, value in zip(events, values, strict=True):
        core = hash(event.person_id) % cores
        shares[core].append(value)
        people[core].add(PersonKey(event.org_id, str(event.person_id)))
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(cores + 1)
    processes = [
        context.Process(target=_run, args=(url, registry_url, share, sorted(ids), together))
        for share, ids in zip(shares, people, strict=True)
    ]
    for process in processes:
        process.start()
    await asyncio.to_thread(together.wait, READY_SECONDS)
    began = time.perf_counter()
    await asyncio.to_thread(together.wait, READY_SECONDS)
    seconds = time.perf_counter() - began
    for process in processes:
        await asyncio.to_thread(process.join)
    stored = await connection.fetchval("SELECT count(*) FROM capture")
    if stored != len(events):
        raise AssertionError(f"{stored} of {len(events)} events were stored")
    return len(events) / seconds


def _run(
    url: str, registry_url: str, values: Sequence[bytes], people: Sequence[PersonKey], together: Barrier
) -> None:
    asyncio.run(_project(url, registry_url, values, people, together))


async def _project(
    url: str, registry_url: str, values: Sequence[bytes], people: Sequence[PersonKey], together: Barrier
) -> None:
    async with SchemaRegistry(registry_url) as registry:
        codec = Codec(registry)
        # The schema is looked up before the clock starts.
        await codec.decode(values[0])
        known = await _people(url, people)
        connection = await asyncpg.connect(url, server_settings={"search_path": "baseline"})
        collect_rarely()
        together.wait(READY_SECONDS)
        rows = _rows([await codec.decode(value) for value in values], known)
        async with connection.transaction():
            for table, records, columns in (
                ("capture", rows.captures, CAPTURE_COLUMNS),
                ("punch", rows.punches, PUNCH_COLUMNS),
            ):
                await connection.copy_records_to_table(table, records=records, columns=columns)
            await copy_days(connection, rows.days)
        together.wait(READY_SECONDS)
        await connection.close()


async def _people(url: str, people: Sequence[PersonKey]) -> Mapping[PersonKey, KnownPerson]:
    connection = await asyncpg.connect(url, server_settings={"search_path": "attendance"})
    memory = DirectoryMemory()
    for person in (await PostgresDirectory(connection).people(people)).values():
        memory.keep(person)
    await connection.close()
    return memory.people


def _rows(events: Sequence[Event], people: Mapping[PersonKey, KnownPerson]) -> Rows:
    rows = Rows()
    by_person: dict[PersonKey, list[tuple[AcceptedPunch, Punch]]] = defaultdict(list)
    for event in events:
        if isinstance(event, MatchDecided) and (made := punch_of(known_capture(event))) is not None:
            rows.captures.append(capture_row(event))
            punch = as_punch(made.punch_id, made.occurred_at, made.direction, made.method)
            by_person[made.person].append((made, punch))
    for key, punches in by_person.items():
        person, places = people[key], dict[PunchId, Place]()
        if person.schedule is None:
            raise AssertionError(f"{key.person_id} has no home site")
        for day in attendance([punch for _, punch in punches], person.schedule).days:
            places.update(dict.fromkeys(day.punches, Place("DAY", day.attendance_on, day.shift_id)))
            rows.days.append(PersonDay(person, day))
        rows.punches += [punch_row(made, places.get(punch.punch_id, REVIEW)) for made, punch in punches]
    return rows
