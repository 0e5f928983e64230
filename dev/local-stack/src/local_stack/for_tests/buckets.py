"""Buckets for tests, created and removed through S3."""

from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject

from local_stack.environment import StackEnv


def create_bucket(stack: StackEnv, name: str) -> None:
    """Create the bucket."""
    with urllib3.PoolManager() as pool:
        _client(stack, pool).make_bucket(name)


def remove_bucket(stack: StackEnv, name: str) -> None:
    """Remove the bucket and all that is in it; do nothing when the test has removed it."""
    with urllib3.PoolManager() as pool:
        client = _client(stack, pool)
        if not client.bucket_exists(name):
            return
        found = client.list_objects(name, recursive=True, include_version=True)
        doomed = [DeleteObject(entry.object_name, entry.version_id) for entry in found if entry.object_name]
        for error in client.remove_objects(name, doomed):
            raise RuntimeError(f"Bucket {name} was not emptied: {error.name}: {error.message}")
        client.remove_bucket(name)


def _client(stack: StackEnv, pool: urllib3.PoolManager) -> Minio:
    return Minio(
        urlsplit(stack.object_store_endpoint).netloc,
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        secure=False,
        region=stack.object_store_region,
        http_client=pool,
    )
