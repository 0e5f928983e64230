"""Images in an S3 bucket, and what was accepted first."""

from service_kit.errors import ObjectNotFound
from service_kit.state.object_store import ObjectStore


class S3ImageStore:
    """An ImageStore over S3. Writes are conditional (If-None-Match), so the first one wins everywhere."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        """Return the bucket that events refer to."""
        return self._bucket

    async def check(self) -> None:
        """Raise TransientFailure unless the bucket can be reached; for readiness."""
        await self._objects.check(self._bucket)

    async def require_first_wins(self) -> None:
        """Raise OverwritingStore unless what is put first stays."""
        await self._objects.require_conditional_writes(self._bucket)

    async def put_new(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Store bytes; return False when the key is taken."""
        return await self._objects.put_if_absent(self._bucket, key, data, media_type)

    async def read(self, key: str) -> bytes:
        """Return the bytes of a key that is taken."""
        return await self._objects.get(self._bucket, key)

    async def find(self, key: str) -> bytes | None:
        """Return the bytes of a key; None when it is free."""
        try:
            return await self._objects.get(self._bucket, key)
        except ObjectNotFound:
            return None
