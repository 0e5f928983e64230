"""What ops see of a process: health and metrics, from its beginning to its end."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry

from attendance_projector.settings import Settings
from service_kit.errors import TransientFailure
from service_kit.http.serve import serve
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health, operations_app
from service_kit.observing.logs import get_logger

LATE = "nothing is lost; attendance and what follows it come late"

log = get_logger(__name__)


class Opening:
    """Not ready until everything is put together."""

    def __init__(self, health: Health) -> None:
        self._is_done = False
        health.add_ready("start", self._check)

    def done(self) -> None:
        """Let the other checks say whether it is ready."""
        self._is_done = True

    async def _check(self) -> None:
        if not self._is_done:
            raise TransientFailure("postgresql", "waiting for the read model to open")


def need_servers(health: Health, database: Callable[[], Awaitable[None]], producer: RecordProducer) -> None:
    """Be ready only while both ends of a projector answer."""
    health.need(Dependency("postgresql", database, meanwhile=f"{LATE}; queries may fail"))
    health.need(Dependency("kafka", producer.check, meanwhile=LATE))


async def serve_operations(
    settings: Settings, health: Health, registry: CollectorRegistry, stopping: asyncio.Event
) -> None:
    """Serve health and metrics until `stopping` is set."""
    await serve(
        operations_app(health, registry),
        settings.host,
        settings.port,
        stopping=stopping,
        tls=settings.tls(),
        on_listening=lambda port: log.info("listening", host=settings.host, port=port),
    )
