"""Fixtures for every test with a read model; pytest loads this module by its entry point."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from attendance_testing.projector.cluster import Cluster
    from attendance_testing.projector.plant import Plant
    from attendance_testing.projector.rebuilds import Deployment
    from local_stack.environment import StackEnv
    from local_stack.for_tests.databases import CloneTemplate, Database


@pytest_asyncio.fixture
async def migrated(template_database: "CloneTemplate") -> "AsyncIterator[Database]":
    from attendance_projector.store.migrate import migrate

    async with template_database("projector", migrate) as database:
        yield database


@pytest.fixture
def unused_port() -> int:
    from local_stack.running.ports import free_port

    return free_port()


@pytest_asyncio.fixture
async def plant(migrated: "Database") -> "AsyncIterator[Plant]":
    """A plant in India with the shift `day`, 08:00 to 12:00, and Asha who works it."""
    import asyncpg

    from attendance_projector.projection.adapters.postgres_read_model import open_read_model
    from attendance_testing.projector.plant import Plant

    async with AsyncExitStack() as stack:
        read_model = await stack.enter_async_context(open_read_model(migrated.writer_url))
        connection = await asyncpg.connect(migrated.url, server_settings={"search_path": "attendance"})
        stack.push_async_callback(connection.close, timeout=5)
        made = Plant(read_model, migrated, connection)
        await made.tell(made.site(), made.shift("day", 8, 12), made.person("asha"))
        yield made


@pytest_asyncio.fixture
async def cluster(
    stack: "StackEnv", plant: "Plant", topic_prefix: str, unused_port: int
) -> "AsyncIterator[Cluster]":
    """The topics of one test, and projector processes over the database of the plant."""
    from attendance_testing.projector.cluster import open_cluster

    async with open_cluster(stack, plant.database, topic_prefix, unused_port) as made:
        yield made


@pytest_asyncio.fixture
async def deployment(
    stack: "StackEnv", plant: "Plant", topic_prefix: str, unused_port: int
) -> "AsyncIterator[Deployment]":
    """Topics with a history, and a projector that has applied it."""
    from attendance_testing.projector.rebuilds import open_deployment

    async with open_deployment(stack, plant, topic_prefix, unused_port) as made:
        yield made
