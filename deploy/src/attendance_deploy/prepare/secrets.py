"""Makes passwords and keys, and gives each service and server a folder with its own, and no other's.

`prepare` keeps the secrets themselves. What the others get is made from them and from the permissions: a URL
with the password in it, a list of users. A lost folder of a service is therefore filled again with the same.
"""

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from attendance_deploy.access.permissions import Permissions, read_permissions
from attendance_deploy.access.postgres import accesses, database_of
from attendance_deploy.access.s3 import Key, seaweedfs_identities
from attendance_deploy.access.valkey import as_file, users
from attendance_deploy.prepare import addresses
from attendance_deploy.prepare.certificates import FOLDER, prepare_certificates, url_options
from attendance_deploy.prepare.secret_files import SecretFiles
from attendance_deploy.prepare.tokens import SIGNING_KEY, new_signing_key, public_keys

TEMPLATE_KEY_BYTES = 32
# The object store's files: a container that only their door knows.
STORE_DATA = "object-store-data"
# Where a container has its own secrets, and no other's.
OF_A_SERVICE = Path("/run/secrets")
# Whom servers know beside the identities: administrators, and PostgreSQL's replica.
SUPERUSER, REPLICATOR, STORE_ADMINISTRATOR = "postgres", "replicator", "object-store-administrator"


def prepare_secrets(root: Path, say: Callable[[str], None]) -> None:
    """Make what is missing, and say it."""
    files, permissions = SecretFiles(root), read_permissions()
    _tokens(files)
    _templates(files)
    _postgres(files, permissions)
    _object_store(files, permissions)
    _valkey(files, permissions)
    files.give("grafana", "admin_password", files.once("grafana_password"))
    if addresses.is_tls():
        prepare_certificates(files, (*permissions.parties, STORE_DATA))
    for name in files.made:
        say(f"made {name}")
    for name in files.changed:
        say(f"changed {name}; {_then(name)}")
    if not files.made and not files.changed:
        say("nothing to do")


def _then(name: str) -> str:
    if f"/{FOLDER}/" in name:
        return "services take it up as they run, servers when they start again"
    return "restart what reads it"


def _tokens(files: SecretFiles) -> None:
    keys = public_keys(files.once(SIGNING_KEY, new_signing_key))
    for service in ("ingest", "query-api"):
        files.give(service, "jwks.json", keys)


def _templates(files: SecretFiles) -> None:
    def new_key() -> str:
        return f"first:{b64encode(secrets.token_bytes(TEMPLATE_KEY_BYTES)).decode('ascii')}"

    key = files.once("template_encryption_keys", new_key)
    files.give("recognition-worker", "template_encryption_keys", key)


def _postgres(files: SecretFiles, permissions: Permissions) -> None:
    primary, replica, database = addresses.postgres(), addresses.postgres_replica(), database_of(permissions)
    files.give("postgres", "superuser_password", files.once(f"{SUPERUSER}_password"))
    options = url_options(OF_A_SERVICE) if addresses.is_tls() else ""
    host, _, port = primary.rpartition(":")
    password = files.once(f"{REPLICATOR}_password")
    files.give("postgres-replica", "pgpass", f"{host}:{port}:*:{REPLICATOR}:{password}")
    for service, access in accesses(permissions).items():
        login = f"postgresql://{access.login}:{files.once(f'{access.login}_password')}"
        if access.owns:
            continue  # of `prepare`, which reads the password itself
        if access.read_only:
            files.give(service, "query_database_url", f"{login}@{replica}/{database}{options}")
            files.give(service, "query_api_primary_database_url", f"{login}@{primary}/{database}{options}")
        else:
            files.give(service, "database_url", f"{login}@{primary}/{database}{options}")


def _object_store(files: SecretFiles, permissions: Permissions) -> None:
    """Give everybody a key of its own, or the one of the environment: that of a store elsewhere."""
    given = os.environ.get("OBJECT_STORE_ACCESS_KEY"), os.environ.get("OBJECT_STORE_SECRET_KEY")
    names = [name for name, identity in permissions.identities.items() if identity.object_store]
    keys = {
        name: Key(files.once(f"{name}_access_key"), files.once(f"{name}_secret_key"))
        for name in (*names, STORE_ADMINISTRATOR)
    }
    for name in names:
        if name != "prepare":
            files.give(name, "object_store_access_key", given[0] or keys[name].access)
            files.give(name, "object_store_secret_key", given[1] or keys[name].secret)
    file = seaweedfs_identities(permissions, addresses.bucket(), keys)
    files.give("object-store", "s3.json", json.dumps(file))


def _valkey(files: SecretFiles, permissions: Permissions) -> None:
    passwords = {name: files.once(f"{name}_valkey_password") for name in users(permissions)}
    for name, password in passwords.items():
        files.give(name, "valkey_url", f"redis://{name}:{password}@{addresses.valkey()}/0")
    files.give("valkey", "users.acl", as_file(permissions, passwords=passwords).strip())
