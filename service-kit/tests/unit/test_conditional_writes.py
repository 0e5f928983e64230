from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from attendance_testing.object_store_server import BUCKET, object_store_server
from service_kit.errors import OverwritingStore, TransientFailure
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore


@asynccontextmanager
async def a_store(*, heeds_conditions: bool) -> AsyncIterator[ObjectStore]:
    with object_store_server(heeds_conditions=heeds_conditions) as endpoint:
        store = ObjectStore(
            ObjectStoreSettings(endpoint=endpoint, access_key="a", secret_key=SecretStr("b"), bucket=BUCKET)
        )
        yield store
        await store.close()


async def test_a_store_that_writes_once_is_relied_on() -> None:
    async with a_store(heeds_conditions=True) as store:
        for _ in range(3):
            await store.require_conditional_writes(BUCKET)


async def test_a_store_that_replaces_is_found_out() -> None:
    async with a_store(heeds_conditions=False) as store:
        with pytest.raises(OverwritingStore, match=r"bucket images replaces .*If-None-Match"):
            await store.require_conditional_writes(BUCKET)


async def test_a_bucket_that_is_not_there_yet_is_waited_for() -> None:
    async with a_store(heeds_conditions=True) as store:
        with pytest.raises(TransientFailure, match="no bucket other: create it"):
            await store.require_conditional_writes("other")
