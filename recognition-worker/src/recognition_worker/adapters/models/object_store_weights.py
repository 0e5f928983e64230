"""Weights of models in the object store: below `models/` in the images' bucket, or in a bucket `models`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from recognition_worker.errors import ModelRefused
from service_kit.errors import ObjectNotFound, TransientFailure
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

T = TypeVar("T")

PREFIX = "models/"
BUCKET = "models"
# A model has tens of megabytes, an image a few hundred kilobytes.
_READ_LIMIT = timedelta(minutes=5)
_FIND_LIMIT = timedelta(seconds=5)


class ObjectStoreWeights:
    """A StoredWeights. Each call connects anew: models load once, in a thread without an event loop."""

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._settings = settings

    def describe(self, file_name: str) -> str:
        """Say where a file would be looked for."""
        return f"the object store, as {PREFIX}{file_name} of {self._settings.bucket} or {BUCKET}/{file_name}"

    def find(self, file_name: str) -> str | None:
        """Return where a file lies, None when it is nowhere; ModelRefused when the store is away."""
        found = self._ask(lambda store: self._place(store, file_name), _FIND_LIMIT)
        return None if found is None else "/".join(found)

    def read(self, file_name: str) -> bytes:
        """Return the bytes of a file, not proven; ModelRefused when it is gone or the store is away."""

        async def read(store: ObjectStore) -> bytes:
            place = await self._place(store, file_name)
            if place is None:
                raise ModelRefused(f"{file_name} is no longer in {self.describe(file_name)}; put it back")
            return await store.get(*place)

        return self._ask(read, _READ_LIMIT)

    async def _place(self, store: ObjectStore, file_name: str) -> tuple[str, str] | None:
        for place in ((self._settings.bucket, PREFIX + file_name), (BUCKET, file_name)):
            try:
                await store.stat(*place)
            except ObjectNotFound:
                continue
            return place
        return None

    def _ask(self, question: Callable[[ObjectStore], Awaitable[T]], limit: timedelta) -> T:
        async def ask() -> T:
            store = ObjectStore(self._settings, timeout=limit, threads=1)
            try:
                return await question(store)
            finally:
                await store.close()

        try:
            return asyncio.run(ask())
        except TransientFailure as error:
            raise ModelRefused(
                f"the object store with the models does not answer: {error}; try again"
            ) from error
