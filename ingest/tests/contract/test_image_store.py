"""One suite for every ImageStore: the fake of the unit tests, and S3."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ingest.adapters.s3_image_store import S3ImageStore
from ingest.ports import ImageStore
from service_kit.errors import TransientFailure
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

KEY = "captures/acme/2026/03/02/0195-7"


@pytest.fixture
async def objects(stack, bucket) -> AsyncIterator[ObjectStore]:
    settings = ObjectStoreSettings(
        endpoint=stack.object_store_endpoint,
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        bucket=bucket,
    )
    store = ObjectStore(settings)
    yield store
    await store.close()


@pytest.fixture
def s3_images(objects, bucket) -> S3ImageStore:
    return S3ImageStore(objects, bucket)


@pytest.fixture(params=["images", pytest.param("s3_images", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest) -> ImageStore:
    found: ImageStore = request.getfixturevalue(request.param)
    return found


async def test_the_first_write_stays(store):
    assert await store.put_new(KEY, b"first", media_type="image/png") is True
    assert await store.put_new(KEY, b"second", media_type="image/png") is False
    assert await store.read(KEY) == await store.find(KEY) == b"first"


async def test_what_is_not_there_is_not_found(store):
    assert await store.find(KEY) is None


async def test_one_of_many_writers_wins(store):
    wins = await asyncio.gather(*(store.put_new(KEY, b"%d" % n, media_type="image/png") for n in range(8)))
    assert sum(wins) == 1
    winner = wins.index(True)
    assert await store.read(KEY) == b"%d" % winner


async def test_a_store_that_is_away_is_transient():
    settings = ObjectStoreSettings(endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", bucket="c")
    objects = ObjectStore(settings)
    with pytest.raises(TransientFailure):
        await S3ImageStore(objects, "c").put_new(KEY, b"x", media_type="image/png")
    await objects.close()
