"""Objects over the S3 protocol, bounded in time and threads, with the conditional write that retries need."""

from __future__ import annotations

import asyncio
import re
import urllib.parse
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from service_kit.errors import ObjectNotFound, OverwritingStore, TransientFailure
from service_kit.settings import ObjectStoreAccess

T = TypeVar("T")

# One object for ever, which says nothing.
PROBE = "checks/written-once"
PAGE = 1000
"""Keys of one page. Source: S3's own most, ListObjectsV2."""
_METADATA_PREFIX = "x-amz-meta-"
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# Metadata travels as HTTP headers: everything but visible ASCII, and the escape itself, is escaped.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_ABSENT = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchBucket", "NoSuchVersion"})


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What is known of an object without reading it. `size` in bytes."""

    size: int
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ListedObject(NamedTuple):
    """An object as a listing tells it. modified_at: by the store's clock, aware UTC."""

    key: str
    modified_at: datetime


class ObjectReader(Protocol):
    """Reads objects; `ObjectStore` is one."""

    async def get(self, bucket: str, key: str) -> bytes:
        """Read an object; ObjectNotFound, or TransientFailure."""


class ObjectStore:
    """An object store. Every call ends within `timeout`, in a result or an error.

    Metadata names are lower case letters, digits and hyphens; values are any text.

    Raises, all methods:
        TransientFailure: the store is away, too slow or refuses; try again.
    """

    def __init__(
        self, settings: ObjectStoreAccess, *, timeout: timedelta = timedelta(seconds=5), threads: int = 16
    ) -> None:
        url = urllib.parse.urlsplit(settings.endpoint)
        self._timeout = timeout.total_seconds()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="object-store")
        self._http = urllib3.PoolManager(
            maxsize=threads,
            ssl_context=settings.tls(),
            retries=False,
            timeout=urllib3.Timeout(connect=min(2.0, self._timeout), read=self._timeout),
        )
        self._client = _ConditionalMinio(
            endpoint=url.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            region=settings.region,  # given, or every first call asks for it
            secure=url.scheme == "https",
            http_client=self._http,
        )

    async def put_if_absent(
        self, bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Write an object unless one with this key exists; tell whether this call wrote it."""
        headers = _headers(content_type, metadata) | {"If-None-Match": "*"}
        try:
            await self._run(self._client.put, bucket, key, data, headers)
        except _Exists:
            return False
        return True

    async def put(
        self, bucket: str, key: str, data: bytes, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write an object, over one that exists."""
        await self._run(self._client.put, bucket, key, data, _headers(content_type, metadata))

    async def get(self, bucket: str, key: str) -> bytes:
        """Read an object.

        Raises:
            ObjectNotFound: there is none with this key.
        """
        return await self._run(self._client.read, bucket, key)

    async def stat(self, bucket: str, key: str) -> ObjectStat:
        """Look at an object.

        Raises:
            ObjectNotFound: there is none with this key.
        """
        found = await self._run(self._client.stat_object, bucket, key)
        return ObjectStat(
            size=int(found.size or 0),
            content_type=str(found.content_type),
            metadata={
                name.lower().removeprefix(_METADATA_PREFIX): urllib.parse.unquote(value)
                for name, value in (found.metadata or {}).items()
                if name.lower().startswith(_METADATA_PREFIX)
            },
        )

    async def entries(
        self, bucket: str, prefix: str, *, start_after: str | None = None, limit: int = PAGE
    ) -> list[ListedObject]:
        """Return the next objects whose keys begin so, in the order of their keys, up to `limit`.

        start_after: the last key of the page before. An empty page is the end.
        """
        return await self._run(
            partial(self._client.entries, prefix=prefix, start_after=start_after, limit=limit), bucket
        )

    async def exists(self, bucket: str, key: str) -> bool:
        """Tell whether there is an object with this key; by a listing, for those who may not read it."""
        page = await self.entries(bucket, key, limit=1)
        return bool(page) and page[0].key == key

    async def pages(self, bucket: str, prefix: str) -> AsyncGenerator[list[ListedObject], None]:
        """Yield the objects whose keys begin so, in the order of their keys, in pages of up to 1,000.

        An object that is written meanwhile may be among them or not.
        """
        after: str | None = None
        while page := await self.entries(bucket, prefix, start_after=after):
            yield page
            after = page[-1].key

    async def delete(self, bucket: str, key: str) -> None:
        """Remove an object; removing one that is absent is no error."""
        await self._run(self._client.remove_object, bucket, key)

    async def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket unless it exists."""
        if not await self._run(self._client.bucket_exists, bucket):
            await self._run(partial(self._client.create, bucket))

    async def check(self, bucket: str) -> None:
        """Raise TransientFailure unless the bucket can be reached; for readiness."""
        if not await self._run(self._client.bucket_exists, bucket):
            raise TransientFailure("object-store", f"no bucket {bucket}: create it")

    async def require_conditional_writes(self, bucket: str) -> None:
        """Find out by two writes of one key whether `put_if_absent` can be relied on; once, at the start.

        Raises:
            OverwritingStore: it cannot; nothing may be written here that has to stay.
        """
        await self.check(bucket)
        for _ in range(2):
            if not await self.put_if_absent(bucket, PROBE, b"", "application/octet-stream"):
                return
        raise OverwritingStore(bucket)

    async def close(self) -> None:
        """Release threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def _run(self, call: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._pool, call, *args)
        except S3Error as error:
            name = "/".join(str(arg) for arg in args[:2])
            if error.code in _ABSENT:
                raise ObjectNotFound(f"no object {name}") from error
            if error.code == "PreconditionFailed":
                raise _Exists(name) from error
            raise TransientFailure("object-store", f"{name}: {error.code}: {error.message}") from error
        except (MinioException, urllib3.exceptions.HTTPError, TimeoutError, OSError) as error:
            raise TransientFailure("object-store", f"{error!r}") from error


class _Exists(Exception):
    """The object of a conditional write exists."""


class _ConditionalMinio(Minio):
    """minio's `put_object` has no conditional headers (7.2.20); its internal single-part write takes any."""

    def put(self, bucket: str, key: str, data: bytes, headers: dict[str, str]) -> None:
        self._put_object(bucket, key, data, dict(headers))

    def read(self, bucket: str, key: str) -> bytes:
        response = self.get_object(bucket, key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def entries(self, bucket: str, prefix: str, start_after: str | None, limit: int) -> list[ListedObject]:
        found = self.list_objects(bucket, prefix=prefix, recursive=True, start_after=start_after)
        return [
            ListedObject(each.object_name, each.last_modified)
            for each in islice(found, limit)
            if each.object_name and each.last_modified
        ]

    def create(self, bucket: str) -> None:
        try:
            self.make_bucket(bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise


def _headers(content_type: str, metadata: Mapping[str, str] | None) -> dict[str, str]:
    headers = {"Content-Type": content_type}
    for name, value in (metadata or {}).items():
        if not _METADATA_NAME.fullmatch(name):
            raise ValueError(f"metadata name {name!r}: use lower case letters, digits and hyphens")
        headers[_METADATA_PREFIX + name] = urllib.parse.quote(value, safe=_PLAIN)
    return headers
