"""Everything that an installation needs, made by the commands that an administrator runs, on a secured stack.

Each identity gets its certificate, key and password, and nothing else: what `environ_of` returns.
"""

import asyncio
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from attendance_deploy.access import postgres, s3
from attendance_deploy.access.permissions import Permissions, read_permissions
from local_stack.environment import BUCKET, REGION, StackEnv
from local_stack.keys.certificates import Certificate, certificate_of
from local_stack.running.lease import leased
from local_stack.running.ports import LOOPBACK
from local_stack.running.stack import Stack
from local_stack.services.kafka import BROKER
from local_stack.services.object_store import IDENTITIES, ObjectStore
from local_stack.services.postgres import ident_file

ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Installation:
    """A secured stack, prepared; `prefix` is that of topics, groups and keys."""

    stack: Stack
    permissions: Permissions
    prefix: str

    @property
    def env(self) -> StackEnv:
        """The addresses, and the administrators' passwords."""
        return self.stack.env

    @property
    def object_store_tls(self) -> str:
        """HOST:PORT where the object store asks for certificates."""
        return f"{LOOPBACK}:{self.stack.port('s3-tls')}"

    def certificate(self, name: str) -> Certificate:
        """Return the certificate of an identity, or of anybody else."""
        return certificate_of(self.stack.folder, name)

    def password(self, name: str) -> str:
        """Return the password of an identity, the same wherever it needs one."""
        seed = f"{self.env.object_store_secret_key}:{name}"
        return hashlib.sha256(seed.encode()).hexdigest()[:32]

    def key(self, name: str) -> s3.Key:
        """Return the access key of an identity."""
        return s3.Key(f"key-{name}", self.password(name))

    def kafka_environ(self, certificate: Certificate) -> dict[str, str]:
        """Return the variables by which the holder of a certificate reaches Kafka."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.env.kafka_bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.prefix,
            "KAFKA_SINGLE_BROKER": "true",
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            **certificate_variables("KAFKA_SSL", certificate),
        }

    def database_url(self, name: str, *, login_of: str | None = None, tls: str | None = None) -> str:
        """Return where an identity logs in, with its certificate.

        login_of: with the login of another. tls: the rest of the URL in place of the certificate's.
        """
        access = postgres.accesses(self.permissions)[login_of or name]
        port = urlsplit(self.env.postgres_admin_url).port
        own = self.certificate(name)
        rest = tls or f"sslmode=verify-full&sslrootcert={own.ca}&sslcert={own.cert}&sslkey={own.key}"
        database = postgres.database_of(self.permissions)
        return f"postgresql://{access.login}@{LOOPBACK}:{port}/{database}?{rest}"

    def valkey_url(self, name: str, *, user: str | None = None) -> str:
        """Return where an identity reaches Valkey; user: as another, and with its own password."""
        port = urlsplit(self.env.valkey_url).port
        return f"redis://{user or name}:{self.password(name)}@{LOOPBACK}:{port}/0"

    def environ_of(self, name: str) -> dict[str, str]:
        """Return all variables of an identity: addresses, and what it proves itself with."""
        identity, environ = self.permissions.identities[name], self.env.environ()
        shared = ("SCHEMA_REGISTRY_URL", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_JWKS")
        found = {variable: environ[variable] for variable in shared}
        found |= self.kafka_environ(self.certificate(name))
        if identity.postgres is not None:
            url = self.database_url(name)
            found |= {"DATABASE_URL": url, "WRITER_DATABASE_URL": url, "QUERY_DATABASE_URL": url}
        if identity.object_store is not None:
            key = self.key(name)
            found |= {
                "OBJECT_STORE_ENDPOINT": f"https://{self.object_store_tls}",
                **certificate_variables("OBJECT_STORE_SSL", self.certificate(name)),
                "OBJECT_STORE_ACCESS_KEY": key.access,
                "OBJECT_STORE_SECRET_KEY": key.secret,
                "OBJECT_STORE_BUCKET": BUCKET,
                "OBJECT_STORE_REGION": REGION,
            }
        if identity.valkey is not None:
            found["VALKEY_URL"] = self.valkey_url(name)
        if name == "recognition-worker":
            found["TEMPLATE_ENCRYPTION_KEYS"] = environ["TEMPLATE_ENCRYPTION_KEYS"]
        return found

    def run(self, module: str, *arguments: str, environ: Mapping[str, str]) -> str:
        """Run a command to its end, with these variables alone; return what it prints."""
        ended = subprocess.run(  # our own modules
            [sys.executable, "-m", module, *arguments],
            env={**bare_environ(), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
        return ended.stdout

    def apply_acls(self, *arguments: str) -> str:
        """Make Kafka's ACLs, as the brokers' super user."""
        environ = self.kafka_environ(self.certificate(BROKER))
        return self.run("attendance_deploy", "access", "kafka", *arguments, environ=environ)


def certificate_variables(prefix: str, certificate: Certificate) -> dict[str, str]:
    """Return the variables that name the files of a certificate."""
    return {
        f"{prefix}_CA_FILE": str(certificate.ca),
        f"{prefix}_CERT_FILE": str(certificate.cert),
        f"{prefix}_KEY_FILE": str(certificate.key),
    }


def bare_environ() -> dict[str, str]:
    """Return what any process needs of ours, without a variable of a service."""
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "XDG_CACHE_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ}


@contextmanager
def installed(folder: Path, cache: Path) -> Iterator[Installation]:
    """Start a secured stack in the folder, prepare it as its administrators do, and stop it afterwards."""
    stack = Stack(folder, cache)
    stack.prepare(secure=True)
    installation = Installation(stack, read_permissions(), f"t{secrets.token_hex(3)}.")
    _write_identities(installation)
    with leased(stack, keep=False):
        _prepare(installation)
        yield installation


def _write_identities(installation: Installation) -> None:
    """Write the identities of the object store, which it reads when it starts."""
    env, folder = installation.env, installation.stack.folder / ObjectStore.name
    keys = {name: installation.key(name) for name in installation.permissions.identities}
    keys[ADMINISTRATOR] = s3.Key(env.object_store_access_key, env.object_store_secret_key)
    folder.mkdir(exist_ok=True)
    made = s3.seaweedfs_identities(installation.permissions, BUCKET, keys)
    (folder / IDENTITIES).write_text(json.dumps(made))


def _prepare(installation: Installation) -> None:
    """Make permissions as the administrator of each server, then topics and tables as `prepare`."""
    permissions, env = installation.permissions, installation.env
    drop = f'DROP DATABASE IF EXISTS "{postgres.database_of(permissions)}" WITH (FORCE)'
    asyncio.run(_execute(env.postgres_admin_url, drop))
    installation.apply_acls("--apply")
    passwords = installation.stack.folder / "passwords"
    passwords.mkdir(exist_ok=True)
    for name in permissions.identities:
        (passwords / name).write_text(installation.password(name))
    environ = {
        "POSTGRES_ADMIN_URL": env.postgres_admin_url,
        "VALKEY_ADMIN_URL": env.valkey_url,
        "KAFKA_TOPIC_PREFIX": installation.prefix,
    }
    deploy = "attendance_deploy"
    installation.run(deploy, "access", "postgres", "--apply", environ=environ)
    names = installation.run(deploy, "access", "postgres", "--ident", environ={})
    ident_file(installation.stack.folder).write_text(names)
    installation.run(deploy, "access", "valkey", "--apply", "--passwords", str(passwords), environ=environ)
    asyncio.run(_execute(env.postgres_admin_url, "SELECT pg_reload_conf()"))
    own = installation.environ_of("prepare")
    installation.run("attendance_schemas", "apply", environ=own)
    installation.run("attendance_projector", "migrate", environ=own)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
