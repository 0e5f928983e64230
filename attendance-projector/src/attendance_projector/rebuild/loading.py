"""Put together what loads the log into the next tables, in the rebuild itself and in its processes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry

from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.postgres_read_model import NextReadModel, open_pool
from attendance_projector.projection.apply_batch import Recompute
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.backlog.put_off import compute_or_put_off
from attendance_projector.projection.backlog.worker import BacklogWorker
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.rebuild.adapters.kafka_log import records_until
from attendance_projector.rebuild.load_log import LoadLog
from attendance_projector.rebuild.ports import NEXT
from attendance_projector.settings import Settings
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from service_kit.archive.store import open_archive
from service_kit.archive.whole_log import WholeLog

GROUP = "attendance-projector-rebuild"
RECORDS_AT_ONCE = 4000
# Nobody reads these tables: what a crash of the server takes away is read from the log again.
SERVER_SETTINGS = {"synchronous_commit": "off", "work_mem": "32MB"}


@asynccontextmanager
async def open_loading(
    settings: Settings,
    progressed: Callable[[int], None],
    *,
    tables: type[NextReadModel] = NextReadModel,
    recompute: Recompute = compute_or_put_off,
) -> AsyncIterator[LoadLog]:
    """Connect to the registry and to the next tables; Kafka is read when something is loaded."""
    url, kafka = settings.database.url.get_secret_value(), settings.kafka
    async with AsyncExitStack() as stack:
        schemas = await stack.enter_async_context(
            SchemaRegistry(settings.registry.url, settings.registry.tls())
        )
        pool = await stack.enter_async_context(open_pool(url, schema=NEXT, settings=SERVER_SETTINGS))
        read_model, metrics = tables(pool), ProjectorMetrics(CollectorRegistry())
        applying = ApplyRecords(
            AvroEventReader(Codec(schemas), prefix=kafka.topic_prefix),
            read_model,
            metrics,
            is_tracing=False,
            recompute=recompute,
        )
        archive = await stack.enter_async_context(open_archive(settings.archive.bucket))
        whole = WholeLog(kafka, archive)
        read_log = partial(records_until, whole, kafka.group(GROUP), max_records=RECORDS_AT_ONCE)
        yield LoadLog(applying, read_model, read_log, progressed, BacklogWorker(read_model, metrics))
