"""Pytest fixtures over the local stack; loaded by pytest itself as a plugin.

One stack serves a whole run, or each process of a run in several: started when the first test asks for it,
and stopped at the end unless it ran before. Tests keep apart by random topic prefixes, databases and buckets.
A stack that cannot start is a failure, not a skip. Nothing heavy is imported until a test asks for a fixture.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from local_stack.environment import StackEnv
    from local_stack.for_tests.databases import CloneTemplate, Database
    from local_stack.running.stack import Stack

KEEP_VARIABLE = "LOCAL_STACK_KEEP"
# Source: pytest-xdist, which sets it in each of its processes.
PROCESS_VARIABLE = "PYTEST_XDIST_WORKER"


@pytest.fixture(scope="session")
def stack_control(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The running stack itself, to stop and start single servers; a test puts back what it took away."""
    from local_stack.running.lease import leased
    from local_stack.running.stack import Stack
    from local_stack.settings import cache_folder, stack_folder

    root = pytestconfig.rootpath
    folder = stack_folder(root=root, name="test")
    if process := os.environ.get(PROCESS_VARIABLE):
        folder = folder.with_name(f"{folder.name}-{process}")
    found = Stack(folder, cache_folder(root=root))
    with leased(found, keep=os.environ.get(KEEP_VARIABLE) == "1"):
        yield found


@pytest.fixture(scope="session")
def stack(stack_control: Stack) -> StackEnv:
    """Addresses and credentials of the running stack."""
    return stack_control.env


@pytest.fixture(scope="session")
def three_brokers(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stack]:
    """A stack apart with what production has: three brokers and a streaming replica.

    A test puts back what it took away, and keeps to topics of its own.
    """
    from local_stack.running.stack import Stack
    from local_stack.settings import cache_folder

    found = Stack(tmp_path_factory.mktemp("cluster") / "stack", cache_folder(root=pytestconfig.rootpath))
    found.up(brokers=3, replica=True)
    yield found
    found.down()
    found.delete()


@pytest.fixture
def topic_prefix() -> str:
    """A random prefix for topics and groups, such as `t3f9a2c.`."""
    return f"t{secrets.token_hex(3)}."


@pytest_asyncio.fixture
async def database(stack: StackEnv) -> AsyncIterator[Database]:
    """An empty database owned by attendance_owner; dropped after the test."""
    from local_stack.for_tests.databases import create_database, drop_database

    made = await create_database(stack)
    yield made
    await drop_database(stack, made.name)


@pytest.fixture(scope="session")
def template_database(stack: StackEnv) -> Iterator[CloneTemplate]:
    """Databases that are prepared once and cloned per test.

    Used as `async with template_database(name, prepare) as database`. `prepare(url)` is a coroutine
    function that makes the schema as the owner and closes its connections; it runs once per name and run.
    """
    from local_stack.for_tests.databases import TemplateDatabases

    templates = TemplateDatabases(stack)
    yield templates.clone
    asyncio.run(templates.drop_all())


@pytest.fixture
def bucket(stack: StackEnv) -> Iterator[str]:
    """A fresh bucket with a random name; removed with its objects after the test."""
    from local_stack.for_tests.buckets import create_bucket, remove_bucket

    name = f"t-{secrets.token_hex(6)}"
    create_bucket(stack, name)
    yield name
    remove_bucket(stack, name)
