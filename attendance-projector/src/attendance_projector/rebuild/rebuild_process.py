"""One process of a rebuild: loads its partitions of the log, or computes the days of its buckets of people.

It reads what to do from the first line of its input and tells its progress on its output, both JSON. The end
of the input is the end of the process that started it: nothing is left running after a kill.
"""

import asyncio
import contextlib
import sys

import msgspec

from attendance_projector.domain.facts import RuleError
from attendance_projector.errors import PositionsSetBack
from attendance_projector.projection.adapters.postgres_read_model import open_pool
from attendance_projector.rebuild.adapters.postgres_bulk_load import ComputingReadModel, LoadingReadModel
from attendance_projector.rebuild.adapters.worker_processes import peak_memory_mb
from attendance_projector.rebuild.loading import SERVER_SETTINGS, open_loading
from attendance_projector.rebuild.ports import NEXT
from attendance_projector.rebuild.put_off_days import compute_days, keep_for_later, let_days_wait
from attendance_projector.rebuild.tasks import Compute, Load, Progressed
from attendance_projector.settings import Settings
from service_kit.backoff import Backoff, retry
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


async def work(task: Load | Compute, settings: Settings) -> None:
    """Do the task. Raises what a bug raises; an outage is waited for."""
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
        retry_on=(TransientFailure, PositionsSetBack),
        stopping=asyncio.Event(),
        on_retry=lambda failure, _delay: log.warning("waiting, then going on", detail=str(failure)),
    )
    _tell(Progressed(0, passed_over=passed_over, peak_memory_mb=peak_memory_mb(), kind="finished"))


async def _load(task: Load, settings: Settings) -> int:
    async with open_loading(
        settings, lambda count: _tell(Progressed(count)), tables=LoadingReadModel, recompute=keep_for_later
    ) as loading:
        await loading.load({TopicPartition(topic, number): to for topic, number, to in task.targets})
        return loading.passed_over


async def _compute(task: Compute, settings: Settings) -> None:
    url = settings.database.url.get_secret_value()
    async with open_pool(url, schema=NEXT, settings=SERVER_SETTINGS) as pool:
        read_model = ComputingReadModel(pool)
        for number in task.buckets:
            days = await compute_bucket(read_model, number, task.count)
            _tell(Progressed(1, days=days))


async def compute_bucket(read_model: ComputingReadModel, number: int, count: int) -> int:
    """Compute the days of a bucket of people, or let all of them wait when somebody's cannot be computed."""
    try:
        return await read_model.compute_bucket(number, count, compute_days)
    except (RuleError, PoisonRecord) as error:
        # The reason can name people; it will stand in stale_span.
        log.warning("days of a bucket wait, since some cannot be computed", error=type(error).__name__)
        return await read_model.compute_bucket(number, count, let_days_wait)


def _tell(what: Progressed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


async def run_worker(settings: Settings) -> None:
    """Do what the input says; end with the task, or with the process that gave it."""
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
