"""The calculation: a site and what was measured give counts, memory, disks and what costs follow.

Every load is taken with half as much again (`HEADROOM`) before it is divided by a measured rate, and every
disk and memory is given as much. Nothing here knows a price or a name of a machine.
"""

from dataclasses import dataclass
from math import ceil

from attendance_deploy.sizing.log import log_gb, partitions_for
from attendance_deploy.sizing.measured import (
    CAPTURE_BYTES,
    DAY_BYTES,
    DAYS_A_YEAR,
    DIRECTORY_KB_PER_RECORD,
    DIRECTORY_RECORDS_PER_PERSON,
    DIRECTORY_RECORDS_PER_SECOND,
    EMBED_MS,
    EXPLANATION_BYTES,
    GALLERY_KB_PER_PERSON,
    INGEST_CAPTURES_PER_SECOND,
    INGEST_MB,
    LIVE_FACTS_PER_SECOND,
    PROJECTOR_MB,
    PUNCH_BYTES,
    QUERY_API_MB,
    QUERY_API_REQUESTS_PER_SECOND,
    REBUILD_FACTS_PER_SECOND,
    RESTORE_MB_PER_SECOND,
    SEARCH_MS,
    WAL_KB_PER_CAPTURE,
    WORKER_CAPTURES_PER_SECOND,
    WORKER_MB,
    WORKER_PEOPLE,
)
from attendance_deploy.sizing.site import Site

HEADROOM = 1.5
# A rebuild has to fit into a night: docs/operations/growth.md.
NIGHT_HOURS = 8
# Days that are read and written again and again; a rule of thumb, not measured.
MONTHS_IN_MEMORY = 2
SMALLEST_DATABASE_GB = 2
GB = 1e9


@dataclass(frozen=True, slots=True)
class Processes:
    """How many of one service, and the memory of each with headroom."""

    count: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL: the disk of each server with headroom; hours that a rebuild and a restore take."""

    servers: int
    disk_gb: int
    memory_gb: int
    wal_gb_per_day: float
    rebuild_hours: float
    restore_hours: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One installation: its topics, its database, its services."""

    people: int
    partitions: int
    ingest: Processes
    recognition_workers: Processes
    projectors: Processes
    feeds: Processes
    query_api: Processes
    worker_captures_per_second: float
    directory_seconds: float
    database: Database
    kafka_gb_per_broker: int


@dataclass(frozen=True, slots=True)
class CostDrivers:
    """What a bill follows, all cells together."""

    process_cores: int
    process_memory_gb: int
    database_disk_gb: int
    kafka_disk_gb: int
    images_hot_gb: int
    images_cold_gb: int
    object_writes_per_month: int
    object_reads_per_month: int
    peak_upload_mbit_per_second: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a site needs."""

    on_one_machine: bool
    kiosks: int
    peak_captures_per_second: float
    planned_captures_per_second: float
    cells: int
    each_cell: Cell
    cost_drivers: CostDrivers
    notes: tuple[str, ...]


def size(site: Site) -> Sizing:
    """Compute what a site needs."""
    planned = site.peak_captures_per_second * HEADROOM
    kiosks = site.kiosks or _kiosks(site)
    cells = site.cells or _cells(site, planned)
    cell = _cell(site, ceil(site.people / cells), planned / cells)
    return Sizing(
        on_one_machine=site.on_one_machine,
        kiosks=kiosks,
        peak_captures_per_second=site.peak_captures_per_second,
        planned_captures_per_second=planned,
        cells=cells,
        each_cell=cell,
        cost_drivers=_cost_drivers(site, planned, cells, cell),
        notes=tuple(_notes(site, kiosks, planned / cells, cell)),
    )


def _kiosks(site: Site) -> int:
    return ceil(site.peak_captures_per_second * site.seconds_per_person)


def _facts(site: Site, people: int) -> float:
    return people * site.years * DAYS_A_YEAR.value * site.captures_a_day


def _cells(site: Site, planned: float) -> int:
    """Return how many installations: each rebuilds within a night and is projected by one process."""
    by_rebuild = _facts(site, site.people) * HEADROOM / (REBUILD_FACTS_PER_SECOND.value * NIGHT_HOURS * 3600)
    return max(1, ceil(by_rebuild), ceil(planned / LIVE_FACTS_PER_SECOND.value))


def _cell(site: Site, people: int, planned: float) -> Cell:
    fewest = 1 if site.on_one_machine else 2
    rate = site.worker_rate or worker_rate(site.embedder, people)
    workers = max(fewest, ceil(planned / rate))
    records = people * DIRECTORY_RECORDS_PER_PERSON.value
    directory_mb = records * DIRECTORY_KB_PER_RECORD.value / 1000
    gallery_mb = people * GALLERY_KB_PER_PERSON.value / 1000

    def processes(load: float, rate: float, memory_mb: float) -> Processes:
        return Processes(max(fewest, ceil(load / rate)), ceil(memory_mb * HEADROOM))

    return Cell(
        people=people,
        partitions=partitions_for(workers, people),
        ingest=processes(planned, INGEST_CAPTURES_PER_SECOND.value, INGEST_MB.value + directory_mb),
        recognition_workers=processes(planned, rate, WORKER_MB.value + directory_mb + gallery_mb),
        # Of both, one works and the other takes over; a second one adds nothing to the rate.
        projectors=Processes(fewest, ceil(PROJECTOR_MB.value * HEADROOM)),
        feeds=Processes(fewest, ceil(PROJECTOR_MB.value * HEADROOM)),
        query_api=processes(planned, QUERY_API_REQUESTS_PER_SECOND.value, QUERY_API_MB.value),
        worker_captures_per_second=rate,
        directory_seconds=records / DIRECTORY_RECORDS_PER_SECOND.value,
        database=_database(site, people),
        kafka_gb_per_broker=ceil(log_gb(people, site.captures_a_day) * HEADROOM),
    )


def worker_rate(embedder: str, people: int) -> float:
    """Return captures a second of a worker: as measured, less another embedder's and gallery's cost."""
    embed = EMBED_MS[embedder].value - EMBED_MS["openvino-int8"].value
    search = search_ms(people) - search_ms(int(WORKER_PEOPLE.value))
    return 1000 / (1000 / WORKER_CAPTURES_PER_SECOND.value + embed + search)


def search_ms(people: int) -> float:
    """Return the milliseconds of a search among so many: on straight lines between the sizes measured."""
    sizes = sorted(SEARCH_MS)
    after = next((number for number in range(1, len(sizes) - 1) if people <= sizes[number]), len(sizes) - 1)
    low, high = sizes[after - 1], sizes[after]
    slope = (SEARCH_MS[high].value - SEARCH_MS[low].value) / (high - low)
    return SEARCH_MS[low].value + slope * (max(people, sizes[0]) - low)


def _database(site: Site, people: int) -> Database:
    of_captures = site.captures_a_day * (CAPTURE_BYTES.value + PUNCH_BYTES.value)
    a_day = people * (of_captures + DAY_BYTES.value + EXPLANATION_BYTES.value)
    tables = a_day * DAYS_A_YEAR.value * site.years
    in_memory = a_day * DAYS_A_YEAR.value / 12 * MONTHS_IN_MEMORY
    return Database(
        servers=1 + site.replicas,
        disk_gb=ceil(tables * HEADROOM / GB),
        memory_gb=max(SMALLEST_DATABASE_GB, ceil(in_memory * HEADROOM / GB)),
        wal_gb_per_day=people * site.captures_a_day * WAL_KB_PER_CAPTURE.value * 1000 / GB,
        rebuild_hours=_facts(site, people) / REBUILD_FACTS_PER_SECOND.value / 3600,
        restore_hours=tables / (RESTORE_MB_PER_SECOND.value * 1e6) / 3600,
    )


def _cost_drivers(site: Site, planned: float, cells: int, cell: Cell) -> CostDrivers:
    services = (cell.ingest, cell.recognition_workers, cell.projectors, cell.feeds, cell.query_api)
    captures = site.people * site.captures_a_day * DAYS_A_YEAR.value
    stored_gb_per_day = captures / 365 * site.image_kb * 1000 / GB
    hot_days = min(site.cold_after_days, site.image_days)
    return CostDrivers(
        process_cores=cells * sum(each.count for each in services),
        process_memory_gb=ceil(cells * sum(each.count * each.memory_mb for each in services) / 1000),
        database_disk_gb=cells * cell.database.servers * cell.database.disk_gb,
        kafka_disk_gb=cells * cell.kafka_gb_per_broker * (1 if site.on_one_machine else 3),
        images_hot_gb=ceil(stored_gb_per_day * hot_days),
        images_cold_gb=ceil(stored_gb_per_day * (site.image_days - hot_days)),
        # The image, and what was accepted.
        object_writes_per_month=ceil(captures / 12 * 2),
        object_reads_per_month=ceil(captures / 12),
        peak_upload_mbit_per_second=planned * site.image_kb * 8 / 1000,
    )


def _notes(site: Site, kiosks: int, planned: float, cell: Cell) -> list[str]:
    notes = []
    passed = int(kiosks * site.peak_minutes * 60 / site.seconds_per_person)
    if passed < site.people:
        notes.append(f"{kiosks} kiosks pass {passed:,} of {site.people:,} people in the peak: a queue stays")
    if cell.recognition_workers.count > kiosks:
        notes.append("a kiosk's captures are in one partition: workers beyond the kiosks have nothing to do")
    if planned > LIVE_FACTS_PER_SECOND.value:
        notes.append("one projector is too slow for the peak: days come late; plan more cells")
    if cell.database.rebuild_hours * HEADROOM > NIGHT_HOURS:
        notes.append(
            f"a rebuild takes {cell.database.rebuild_hours:.0f} h, more than a night; plan more cells"
        )
    if site.worker_rate is None and site.embedder == "openvino-int8":
        notes.append("the worker's rate is of a processor with AVX512-VNNI; see docs/recognition/speed.md")
    return notes
