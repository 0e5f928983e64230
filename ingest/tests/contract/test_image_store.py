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
    assert await store.put_new(KEY, b"first", media_type="image/png", manifest="first=") is True
    assert await store.put_new(KEY, b"second", media_type="image/png", manifest="second=") is False
    assert await store.read(KEY) == b"first"
    assert await store.manifest(KEY) == "first="


async def test_one_of_many_writers_wins(store):
    wins = await asyncio.gather(
        *(store.put_new(KEY, b"%d" % n, media_type="image/png", manifest=f"{n}") for n in range(8))
    )
    assert sum(wins) == 1
    winner = wins.index(True)
    assert await store.read(KEY) == b"%d" % winner
    assert await store.manifest(KEY) == f"{winner}"


async def test_a_manifest_of_full_length_survives(store):
    manifest = "-_=aZ09" * 280
    await store.put_new(KEY, b"x", media_type="image/png", manifest=manifest)
    assert await store.manifest(KEY) == manifest


@pytest.mark.integration
async def test_an_object_of_somebody_else_has_no_manifest(objects, bucket):
    await objects.put(bucket, KEY, b"x", "image/png")
    assert await S3ImageStore(objects, bucket).manifest(KEY) is None


async def test_a_store_that_is_away_is_transient():
    settings = ObjectStoreSettings(endpoint="http://127.0.0.1:9", access_key="a", secret_key="b", bucket="c")
    objects = ObjectStore(settings)
    with pytest.raises(TransientFailure):
        await S3ImageStore(objects, "c").put_new(KEY, b"x", media_type="image/png", manifest="x")
    await objects.close()
