"""One process of a rebuild: loads its partitions of the log, or computes the days of its buckets of people.

It reads what to do from the first line of its input and tells its progress on its output, both JSON. The end
of the input is the end of the process that started it: nothing is left running after a kill.
"""

import asyncio
import contextlib
import resource
import sys
from contextlib import AsyncExitStack
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry

from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.postgres_read_model import open_pool
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.rebuild.adapters.kafka_log import records_until
from attendance_projector.rebuild.adapters.postgres_bulk_load import ComputingReadModel, LoadingReadModel
from attendance_projector.rebuild.adapters.postgres_schemas import NEXT
from attendance_projector.rebuild.load_log import LoadLog
from attendance_projector.rebuild.put_off_days import compute_days, keep_for_later
from attendance_projector.settings import Settings
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from service_kit.backoff import Backoff, retry
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.observing.logs import get_logger

GROUP = "attendance-projector-rebuild"
RECORDS_AT_ONCE = 4000
# Nobody reads these tables: what a crash of the server takes away is read from the log again.
SERVER_SETTINGS = {"synchronous_commit": "off", "work_mem": "32MB"}
MEGABYTE_IN_KIB = 1024

log = get_logger(__name__)


class Load(msgspec.Struct, frozen=True, tag_field="step", tag="load"):
    """Read these partitions up to their targets: topic, partition, next offset."""

    targets: list[tuple[str, int, int]]


class Compute(msgspec.Struct, frozen=True, tag_field="step", tag="compute"):
    """Compute these of so many buckets of people."""

    buckets: list[int]
    count: int


class Progressed(msgspec.Struct, frozen=True):
    """Records or buckets done since the last word; at the end also what was passed over, and the memory."""

    done: int
    days: int = 0
    passed_over: int = 0
    peak_memory_mb: int = 0
    kind: Literal["progressed", "finished"] = "progressed"


async def work(task: Load | Compute, settings: Settings) -> None:
    """Do the task. Raises whatever a bug raises; an outage is waited for."""
    passed_over = 0
    collect_rarely()

    async def attempt() -> None:
        nonlocal passed_over
        if isinstance(task, Load):
            passed_over += await _load(task, settings)
        else:
            await _compute(task, settings)

    await retry(
        attempt,
        backoff=Backoff(),
        retry_on=TransientFailure,
        stopping=asyncio.Event(),
        on_retry=lambda failure, _delay: log.warning("waiting for a dependency", detail=str(failure)),
    )
    _tell(Progressed(0, passed_over=passed_over, peak_memory_mb=peak_memory_mb(), kind="finished"))


def peak_memory_mb() -> int:
    """Return the most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEGABYTE_IN_KIB


async def _load(task: Load, settings: Settings) -> int:
    url = settings.database.url.get_secret_value()
    async with AsyncExitStack() as stack:
        schemas = await stack.enter_async_context(SchemaRegistry(settings.registry.url))
        pool = await stack.enter_async_context(open_pool(url, schema=NEXT, settings=SERVER_SETTINGS))
        read_model = LoadingReadModel(pool)
        applying = ApplyRecords(
            AvroEventReader(Codec(schemas), prefix=settings.kafka.topic_prefix),
            read_model,
            ProjectorMetrics(CollectorRegistry()),
            is_tracing=False,
            recompute=keep_for_later,
        )
        replay = LoadLog(applying, read_model, lambda count: _tell(Progressed(count)))
        targets = {TopicPartition(topic, number): offset for topic, number, offset in task.targets}
        await replay.replay(
            records_until(
                settings.kafka,
                settings.kafka.group(GROUP),
                await read_model.positions(list(targets)),
                targets,
                max_records=RECORDS_AT_ONCE,
            )
        )
        return replay.passed_over


async def _compute(task: Compute, settings: Settings) -> None:
    url = settings.database.url.get_secret_value()
    async with open_pool(url, schema=NEXT, settings=SERVER_SETTINGS) as pool:
        read_model = ComputingReadModel(pool)
        for number in task.buckets:
            days = await read_model.compute_bucket(number, task.count, compute_days)
            _tell(Progressed(1, days=days))


def _tell(what: Progressed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


async def run_worker(settings: Settings) -> None:
    """Do what the input says; end with the task, or with whoever gave it."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    task: Load | Compute = msgspec.json.decode(await reader.readline(), type=Load | Compute)
    working = asyncio.create_task(work(task, settings))
    orphaned = asyncio.create_task(reader.read())
    await asyncio.wait({working, orphaned}, return_when=asyncio.FIRST_COMPLETED)
    orphaned.cancel()
    if not working.done():
        # Killed or stopped: what the open transaction held is done again by the next one.
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return
    await working
