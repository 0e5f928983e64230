"""Where servers are, how they are reached, whose tokens count: by variables, else as in compose.yaml."""

import os

from attendance_deploy.errors import Refused


def is_tls() -> bool:
    """Tell whether servers and services speak TLS, with certificates that `secrets` makes."""
    return os.environ.get("PREPARE_TLS") == "true"


def postgres() -> str:
    """Return HOST:PORT of the primary."""
    return os.environ.get("POSTGRES_ADDRESS") or "postgres:5432"


def postgres_replica() -> str:
    """Return HOST:PORT of what is read."""
    return os.environ.get("POSTGRES_REPLICA_ADDRESS") or "postgres-replica:5432"


def valkey() -> str:
    """Return HOST:PORT of the cache."""
    return os.environ.get("VALKEY_ADDRESS") or "valkey:6379"


def object_store() -> str:
    """Return the URL of the object store."""
    return os.environ.get("OBJECT_STORE_ENDPOINT") or "http://object-store:8333"


def bucket() -> str:
    """Return the bucket of the images."""
    return os.environ.get("OBJECT_STORE_BUCKET") or "attendance-images"


def region() -> str:
    """Return the region of the object store."""
    return os.environ.get("OBJECT_STORE_REGION") or "us-east-1"


def issuer() -> str:
    """Return who signs tokens."""
    return os.environ.get("AUTH_ISSUER") or "urn:attendance:site"


def audience() -> str:
    """Return whom tokens are for."""
    return os.environ.get("AUTH_AUDIENCE") or "attendance"


def needed(name: str) -> str:
    """Return a variable that has to be set. Raises Refused."""
    if value := os.environ.get(name):
        return value
    raise Refused(f"{name} is not set; set it as for the services")
