"""Open the read model at the start of a process, however long the database takes to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from attendance_projector.projection.adapters.postgres_read_model import (
    PostgresReadModel,
    open_pool,
    open_read_model,
)
from attendance_projector.settings import Settings
from attendance_projector.store.migrate import migrate
from service_kit.backoff import Backoff, retry
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


async def wait_for_tables(
    settings: Settings, stopping: asyncio.Event, stack: AsyncExitStack, *, migrate_first: bool = False
) -> PostgresReadModel:
    """Open the read model, waiting for the database as long as it takes."""
    url = settings.database.url.get_secret_value()

    async def attempt() -> PostgresReadModel:
        if migrate_first:
            await migrate(url)
        async with AsyncExitStack() as opened:
            read_model = await opened.enter_async_context(open_read_model(url))
            await read_model.begin_at(settings.earliest_on)
            await read_model.ensure_months_ahead(datetime.now(UTC).date(), settings.months_ahead)
            stack.push_async_callback(opened.pop_all().aclose)
            return read_model

    return await _retried(attempt, stopping)


async def wait_for_told_tables(
    settings: Settings, stopping: asyncio.Event, stack: AsyncExitStack
) -> PostgresReadModel:
    """Do the same for a process that only tells: its login may write no fact, no day and no month."""
    url = settings.database.url.get_secret_value()

    async def attempt() -> PostgresReadModel:
        pool = await stack.enter_async_context(open_pool(url, connections=1, will_write=False))
        return PostgresReadModel(pool)

    return await _retried(attempt, stopping)


async def _retried(
    attempt: Callable[[], Awaitable[PostgresReadModel]], stopping: asyncio.Event
) -> PostgresReadModel:
    return await retry(
        attempt,
        backoff=Backoff(),
        retry_on=TransientFailure,
        stopping=stopping,
        on_retry=lambda failure, delay: log.warning(
            "the read model does not open",
            dependency="postgresql",
            error=str(failure),
            again_in=delay.total_seconds(),
        ),
    )
