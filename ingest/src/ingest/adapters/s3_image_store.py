"""Images in an S3 bucket; a manifest is user metadata of its object, so both are stored in one write."""

from service_kit.state.object_store import ObjectStore

MANIFEST = "manifest"


class S3ImageStore:
    """An ImageStore over S3. Writes are conditional (If-None-Match), so the first one wins everywhere."""

    def __init__(self, objects: ObjectStore, bucket: str) -> None:
        self._objects = objects
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        """Return the bucket that events refer to."""
        return self._bucket

    async def put_new(self, key: str, data: bytes, *, media_type: str, manifest: str) -> bool:
        """Store bytes with a manifest; return False when the key is taken."""
        return await self._objects.put_if_absent(self._bucket, key, data, media_type, {MANIFEST: manifest})

    async def manifest(self, key: str) -> str | None:
        """Return the manifest stored with a key, or None when it was stored without one."""
        return (await self._objects.stat(self._bucket, key)).metadata.get(MANIFEST)

    async def read(self, key: str) -> bytes:
        """Return the bytes of a key that is taken."""
        return await self._objects.get(self._bucket, key)
