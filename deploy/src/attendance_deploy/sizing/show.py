"""A sizing in words: lines for a terminal, and the rows of the page's tables."""

from collections.abc import Iterator

from attendance_deploy.sizing.capacity import Processes, Sizing

Row = tuple[str, str]


def rows(sizing: Sizing) -> Iterator[Row]:
    """Yield what is needed, each with its words."""
    cell, database = sizing.each_cell, sizing.each_cell.database
    cells = "one" if sizing.cells == 1 else f"{sizing.cells}, each:"
    yield "runs on", "one machine, Compose" if sizing.on_one_machine else "Kubernetes"
    yield "kiosks", f"{sizing.kiosks:,}"
    yield (
        "captures a second, at the peak and planned",
        (f"{sizing.peak_captures_per_second:,.1f}, {sizing.planned_captures_per_second:,.1f}"),
    )
    yield "cells", cells
    yield "people", f"{cell.people:,}"
    yield "partitions", str(cell.partitions)
    yield "ingest", _processes(cell.ingest)
    yield "recognition-worker", _processes(cell.recognition_workers)
    yield "attendance-projector (one works)", _processes(cell.projectors)
    yield "attendance-feed (one works)", _processes(cell.feeds)
    yield "query-api", _processes(cell.query_api)
    yield "one worker takes", f"{cell.worker_captures_per_second:.0f} captures/s"
    yield "ingest and workers start in", f"{_seconds(cell.directory_seconds)} and their models"
    yield (
        "PostgreSQL servers",
        f"{database.servers} of {database.disk_gb:,} GB, {database.memory_gb:,} GB memory",
    )
    yield "WAL", f"{database.wal_gb_per_day:.2f} GB a day"
    yield "a rebuild, a restore", f"{_hours(database.rebuild_hours)}, {_hours(database.restore_hours)}"
    yield "Kafka, each broker", f"{cell.kafka_gb_per_broker:,} GB"


def cost_rows(sizing: Sizing) -> Iterator[Row]:
    """Yield what a bill follows, all cells together."""
    cost = sizing.cost_drivers
    yield "cores of the services", f"{cost.process_cores:,}"
    yield "memory of the services", f"{cost.process_memory_gb:,} GB"
    yield "disks of PostgreSQL", f"{cost.database_disk_gb:,} GB"
    yield "disks of Kafka", f"{cost.kafka_disk_gb:,} GB"
    yield "images, hot and cold", f"{cost.images_hot_gb:,} GB, {cost.images_cold_gb:,} GB"
    yield "object writes, reads a month", f"{cost.object_writes_per_month:,}, {cost.object_reads_per_month:,}"
    yield "upload at the peak", f"{cost.peak_upload_mbit_per_second:,.1f} Mbit/s"


def _processes(processes: Processes) -> str:
    return f"{processes.count} of {processes.memory_mb:,} MB"


def _seconds(seconds: float) -> str:
    return f"{max(1.0, seconds):.0f} s"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1.0, hours * 60):.0f} min"
