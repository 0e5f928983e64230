import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from local_stack.environment import StackEnv
from service_kit.errors import ObjectNotFound, TransientFailure
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import PAGE, PROBE, ObjectStore

pytestmark = pytest.mark.integration


def settings(stack: StackEnv, endpoint: str | None = None) -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=endpoint or stack.object_store_endpoint,
        access_key=stack.object_store_access_key,
        secret_key=SecretStr(stack.object_store_secret_key),
        bucket="unused",
    )


@pytest.fixture
async def store(stack: StackEnv) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(settings(stack))
    yield store
    await store.close()


async def test_an_object_round_trips_with_its_metadata(store: ObjectStore, bucket: str) -> None:
    metadata = {"received-at": "2026-03-01T08:00:00+00:00", "note": "Grüße, 100 % 日本", "empty-ish": "a b"}
    assert await store.put_if_absent(bucket, "a/b.jpg", b"\x00\x01\xff" * 1000, "image/jpeg", metadata)

    assert await store.get(bucket, "a/b.jpg") == b"\x00\x01\xff" * 1000
    stat = await store.stat(bucket, "a/b.jpg")
    assert (stat.size, stat.content_type, stat.metadata) == (3000, "image/jpeg", metadata)


async def test_put_if_absent_never_overwrites(store: ObjectStore, bucket: str) -> None:
    assert await store.put_if_absent(bucket, "k", b"first", "text/plain", {"n": "1"})
    assert not await store.put_if_absent(bucket, "k", b"second", "text/plain", {"n": "2"})
    assert await store.get(bucket, "k") == b"first"
    assert (await store.stat(bucket, "k")).metadata == {"n": "1"}

    await store.put(bucket, "k", b"third", "text/plain")
    assert await store.get(bucket, "k") == b"third"


async def test_of_many_at_once_exactly_one_writes(stack: StackEnv, bucket: str) -> None:
    # SeaweedFS lets the losers of a race for one key wait, about a second each.
    store = ObjectStore(settings(stack), timeout=timedelta(seconds=30))
    for round_number in range(4):
        key = f"race-{round_number}"
        wrote = await asyncio.gather(
            *(store.put_if_absent(bucket, key, str(n).encode(), "text/plain") for n in range(8))
        )
        assert wrote.count(True) == 1
        assert await store.get(bucket, key) == str(wrote.index(True)).encode()
    await store.close()


async def test_an_absent_object_is_not_found(store: ObjectStore, bucket: str) -> None:
    with pytest.raises(ObjectNotFound, match="absent"):
        await store.get(bucket, "absent")
    with pytest.raises(ObjectNotFound, match="absent"):
        await store.stat(bucket, "absent")
    await store.delete(bucket, "absent")
    await store.put(bucket, "there", b"", "text/plain")
    await store.delete(bucket, "there")
    with pytest.raises(ObjectNotFound):
        await store.stat(bucket, "there")


async def test_buckets_are_created_once(store: ObjectStore, bucket: str) -> None:
    await store.ensure_bucket(bucket)
    await store.check(bucket)
    with pytest.raises(TransientFailure, match="no bucket"):
        await store.check(bucket + "-absent")


async def test_wrong_secrets_are_refused(stack: StackEnv, bucket: str) -> None:
    wrong = settings(stack).model_copy(update={"secret_key": SecretStr("wrong")})
    store = ObjectStore(wrong)
    with pytest.raises(TransientFailure, match="object-store"):
        await store.put(bucket, "k", b"", "text/plain")
    await store.close()


async def test_an_absent_store_fails_within_the_timeout(stack: StackEnv) -> None:
    for endpoint in ("http://127.0.0.1:1", "http://192.0.2.1:9000"):
        store = ObjectStore(settings(stack, endpoint), timeout=timedelta(seconds=2))
        started = time.monotonic()
        with pytest.raises(TransientFailure, match="object-store"):
            await store.put_if_absent("bucket", "k", b"x", "text/plain")
        assert time.monotonic() - started < 4
        await store.close()


async def test_a_silent_store_fails_within_the_timeout(stack: StackEnv) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:  # accepts, and never answers
        port = listening.getsockname()[1]
        store = ObjectStore(settings(stack, f"http://127.0.0.1:{port}"), timeout=timedelta(seconds=1))
        started = time.monotonic()
        results = await asyncio.gather(*(store.get("bucket", "k") for _ in range(40)), return_exceptions=True)
        assert time.monotonic() - started < 3
        assert all(isinstance(result, TransientFailure) for result in results)
        await store.close()


async def test_the_store_writes_once_and_one_object_shows_it(store: ObjectStore, bucket: str) -> None:
    for _ in range(2):
        await store.require_conditional_writes(bucket)
    assert (await store.stat(bucket, PROBE)).size == 0


async def test_a_listing_has_every_object_once_and_in_order(store: ObjectStore, bucket: str) -> None:
    keys = sorted(f"a/{name}" for name in ("b", "b/c", *(f"{number:04d}" for number in range(PAGE + 5))))
    await asyncio.gather(*(store.put(bucket, key, b"", "text/plain") for key in (*keys, "ab", "b/a")))
    before = datetime.now(UTC) - timedelta(minutes=1)
    pages = [page async for page in store.pages(bucket, "a/")]
    assert [each.key for page in pages for each in page] == keys
    assert [len(page) for page in pages] == [PAGE, len(keys) - PAGE]
    assert all(before < each.modified_at < datetime.now(UTC) + timedelta(minutes=1) for each in pages[0])
    assert [page async for page in store.pages(bucket, "nothing/")] == []
    assert await store.exists(bucket, "a/b/c")
    assert not await store.exists(bucket, "a/b/d")
