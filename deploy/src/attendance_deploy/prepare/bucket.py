"""The bucket in which images are kept."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error

from attendance_deploy.errors import Refused, ServerAway
from attendance_deploy.prepare import addresses
from attendance_deploy.prepare.secret_files import read_secret
from attendance_deploy.prepare.secrets import STORE_ADMINISTRATOR

ANSWER_WITHIN_SECONDS = 10.0


def prepare_bucket(root: Path, say: Callable[[str], None]) -> None:
    """Make it when it is missing, and say so."""
    endpoint, bucket = addresses.object_store(), addresses.bucket()
    trust = ssl.create_default_context(cafile=os.environ.get("OBJECT_STORE_SSL_CA_FILE"))
    with urllib3.PoolManager(timeout=ANSWER_WITHIN_SECONDS, retries=False, ssl_context=trust) as pool:
        store = _store(root, endpoint, pool)
        try:
            if store.bucket_exists(bucket):
                say("nothing to do")
                return
            store.make_bucket(bucket)
        except S3Error as error:
            raise Refused(
                f"{endpoint} refuses the bucket {bucket}: {error.code}; make it there by hand, or let our "
                "key make it"
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ServerAway(
                f"the object store does not answer at {endpoint}: {error!r}; start it, then try again"
            ) from error
    say(f"made bucket {bucket}")


def _store(root: Path, endpoint: str, pool: urllib3.PoolManager) -> Minio:
    parts = urlsplit(endpoint)
    return Minio(
        parts.netloc,
        access_key=os.environ.get("OBJECT_STORE_ACCESS_KEY")
        or read_secret(root, f"{STORE_ADMINISTRATOR}_access_key"),
        secret_key=os.environ.get("OBJECT_STORE_SECRET_KEY")
        or read_secret(root, f"{STORE_ADMINISTRATOR}_secret_key"),
        secure=parts.scheme == "https",
        region=addresses.region(),
        http_client=pool,
    )
