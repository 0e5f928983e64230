"""Tell what changes in a process of its own: the change feed and presence, for projectors that only project.

Telling is about a third of a projector's work: without it a projector catches up faster where a second core
is free. Whoever holds the lock tells, so it may run more than once, and beside projectors that tell.
"""

import asyncio
import contextlib
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from attendance_projector.feed.change_feed import feed_changes
from attendance_projector.operations import Opening, serve_operations
from attendance_projector.settings import Settings
from attendance_projector.wait_for_tables import wait_for_tables
from attendance_schemas.registry import SchemaRegistry
from service_kit.collect_rarely import collect_rarely
from service_kit.errors import DeliveryStopped
from service_kit.observing.health import Health


async def run_feed(settings: Settings, stopping: asyncio.Event) -> None:
    """Tell until `stopping` is set.

    Raises ReadModelOutdated, or whatever a bug raises; what was not told stays in the outbox.
    """
    registry, health = CollectorRegistry(), Health()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_operations(settings, health, registry, stopping))
        async with AsyncExitStack() as stack:
            # Nothing was told yet when it stops before the tables are open.
            stack.enter_context(contextlib.suppress(DeliveryStopped))
            schemas = await stack.enter_async_context(SchemaRegistry(settings.registry.url))
            opening = Opening(health)
            read_model = await wait_for_tables(settings, stopping, stack)
            health.add_ready("postgresql", read_model.check)
            collect_rarely()
            opening.done()
            await feed_changes(settings, schemas, registry, stopping)
