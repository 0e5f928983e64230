"""The archive in its bucket: files that are written once, their manifests, and how to find them.

A file is put first, only if there is none of its name, then its manifest. A file decides its manifest, so one
whose writer was killed in between gets it from the next who needs it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from service_kit.archive.container import read_container, write_container
from service_kit.archive.manifest import (
    DATA,
    MANIFEST,
    MANIFESTS,
    RECORDS,
    SNAPSHOTS,
    Contents,
    Manifest,
    Series,
    manifest_of,
)
from service_kit.errors import ArchiveBroken, ObjectNotFound
from service_kit.kafka.records import Record
from service_kit.settings import ObjectStoreAccess
from service_kit.state.object_store import ListedObject, ObjectStore

# A file has 16 MiB at most, and an object store at the end of a slow line takes its time.
TIMEOUT = timedelta(seconds=60)
# The first look for the last file goes so far back from the end of the log, each further one many times so.
_LOOK_BACK, _LOOK_BACK_FACTOR = 50_000, 16
_DIGITS = 20
_AVRO, _JSON = "application/avro", "application/json"


class Listed(NamedTuple):
    """A series of the archive as its names tell it. data, manifests: first offsets, in order."""

    topic: str
    topic_id: UUID
    partition: int
    snapshot_end: int | None
    data: list[int]
    manifests: list[int]


class Snapshot(NamedTuple):
    """A snapshot of a partition as the names of its files tell it. put_at: when its last one was put."""

    series: Series
    firsts: list[int]
    put_at: datetime


class Archive:
    """The archive of one bucket.

    Raises, all methods:
        TransientFailure: the store is away, or there is no such bucket.
        ArchiveBroken: what is there is no file of the archive.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    async def check(self) -> None:
        """Find out whether the bucket is there and keeps what was put first; once, before writing.

        Raises:
            OverwritingStore: it does not.
        """
        await self._store.require_conditional_writes(self._bucket)

    async def put(self, contents: Contents, records: Sequence[Record]) -> tuple[Manifest, bool]:
        """Write a file and its manifest unless one of its name is there.

        Returns the manifest of the file that is there now, and whether it is this one.
        """
        series, first = contents.series, contents.first_offset
        data = await asyncio.to_thread(write_container, contents, records)
        if not await self._store.put_if_absent(self._bucket, series.data_name(first), data, _AVRO):
            there = await self.manifest(series, first)
            return there, there.fits(data)
        made = manifest_of(contents, data)
        await self._put_manifest(made)
        return made, True

    async def _put_manifest(self, manifest: Manifest) -> None:
        name = manifest.contents.series.manifest_name(manifest.contents.first_offset)
        await self._store.put_if_absent(self._bucket, name, manifest.to_json(), _JSON)

    async def manifest(self, series: Series, first: int) -> Manifest:
        """Return the manifest of a file, and write it where its writer did not come to it.

        Raises:
            ArchiveBroken: there is no such file.
        """
        try:
            return await self.stored_manifest(series, first)
        except ObjectNotFound:
            data = await self.data(series, first)
            contents, _ = await asyncio.to_thread(read_container, series.data_name(first), data)
            made = manifest_of(contents, data)
            await self._put_manifest(made)
            return made

    async def stored_manifest(self, series: Series, first: int) -> Manifest:
        """Return a manifest as it stands.

        Raises:
            ObjectNotFound: there is none.
        """
        name = series.manifest_name(first)
        data = await self._store.get(self._bucket, name)
        try:
            return Manifest.model_validate_json(data)
        except ValidationError as error:
            raise ArchiveBroken(f"{name} is no manifest of this version: {error}") from error

    async def data(self, series: Series, first: int) -> bytes:
        """Return the bytes of a file.

        Raises:
            ArchiveBroken: there is no such file.
        """
        name = series.data_name(first)
        try:
            return await self._store.get(self._bucket, name)
        except ObjectNotFound as error:
            raise ArchiveBroken(f"{name} is missing; `archive verify` says what else is") from error

    async def records(self, manifest: Manifest) -> list[Record]:
        """Return the records of a file, whose bytes are those of its manifest.

        Raises:
            ArchiveBroken: they are not.
        """
        contents = manifest.contents
        name = contents.series.data_name(contents.first_offset)
        data = await self.data(contents.series, contents.first_offset)
        if not manifest.fits(data):
            raise ArchiveBroken(f"{name} is not what was put there: its checksum is another; restore it")
        found, records = await asyncio.to_thread(read_container, name, data)
        if found != contents:
            raise ArchiveBroken(f"{name} has another header than its manifest; restore it")
        return records

    async def firsts(self, series: Series, *, after: int = 0) -> list[int]:
        """Return the first offsets of the files of a series, in order, from an offset on."""
        start = series.data_name(after - 1) if after else None
        return [_offset_of(each.key) async for each in self._entries(series.folder, start)]

    async def first(self, series: Series) -> int | None:
        """Return the first offset of the first file; None: there is none."""
        page = await self._store.entries(self._bucket, series.folder, limit=1)
        return _offset_of(page[0].key) if page else None

    async def last(self, series: Series, log_end: int) -> Manifest | None:
        """Return the manifest of the last file of a series; None: there is none.

        log_end: of its partition; a last file is looked for near it first.
        """
        back = _LOOK_BACK
        while True:
            after = max(0, log_end - back)
            if found := await self.firsts(series, after=after):
                return await self.manifest(series, found[-1])
            if not after:
                return None
            back *= _LOOK_BACK_FACTOR

    async def snapshots(self, series: Series) -> list[Snapshot]:
        """Return every snapshot of a partition, the newest first. series: its records."""
        folder = f"{SNAPSHOTS}/{series.folder.removeprefix(RECORDS).lstrip('/')}"
        found: defaultdict[int, list[ListedObject]] = defaultdict(list)
        async for each in self._entries(folder):
            found[int(each.key.split("/")[-2])].append(each)
        return [
            Snapshot(
                series.model_copy(update={"snapshot_end": end}),
                [_offset_of(each.key) for each in files],
                max(each.modified_at for each in files),
            )
            for end, files in sorted(found.items(), reverse=True)
        ]

    async def end_of_snapshot(self, snapshot: Snapshot) -> Contents:
        """Return what the last file of a snapshot that is there holds; it says whether it is complete."""
        return (await self.manifest(snapshot.series, snapshot.firsts[-1])).contents

    async def listed(self, topic: str) -> list[Listed]:
        """Return every series of a topic (full name), those of earlier topics of that name included."""
        data: defaultdict[str, list[int]] = defaultdict(list)
        manifests: defaultdict[str, list[int]] = defaultdict(list)
        for kind in (RECORDS, SNAPSHOTS):
            for prefix, found in (("", data), (f"{MANIFESTS}/", manifests)):
                async for each in self._entries(f"{prefix}{kind}/{topic}/"):
                    folder = each.key.removeprefix(prefix).rpartition("/")[0]
                    found[folder].append(_offset_of(each.key))
        return [
            _listed(folder, data.get(folder, []), manifests.get(folder, []))
            for folder in sorted(data.keys() | manifests.keys())
        ]

    async def remove(self, series: Series, first: int) -> None:
        """Remove a file and its manifest: the file first, so that the manifest tells of one half removed."""
        await self._store.delete(self._bucket, series.data_name(first))
        await self._store.delete(self._bucket, series.manifest_name(first))

    async def _entries(self, prefix: str, start_after: str | None = None) -> AsyncIterator[ListedObject]:
        while True:
            page = await self._store.entries(self._bucket, prefix, start_after=start_after)
            for each in page:
                if each.key.endswith((DATA, MANIFEST)):
                    yield each
            if not page:
                return
            start_after = page[-1].key


@asynccontextmanager
async def open_archive(bucket: str | None) -> AsyncIterator[Archive | None]:
    """Give the archive of a bucket by OBJECT_STORE_*; None without a bucket.

    Raises:
        SettingsError: OBJECT_STORE_* does not say where it is.
    """
    if bucket is None:
        yield None
        return
    store = ObjectStore(ObjectStoreAccess.load(), timeout=TIMEOUT)
    try:
        yield Archive(store, bucket)
    finally:
        await store.close()


def _offset_of(name: str) -> int:
    return int(name.rpartition("/")[2].partition(".")[0])


def _listed(folder: str, data: list[int], manifests: list[int]) -> Listed:
    _, topic, topic_id, partition, *end = folder.split("/")
    return Listed(topic, UUID(topic_id), int(partition), int(end[0]) if end else None, data, manifests)
