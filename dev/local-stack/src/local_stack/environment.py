"""The variables by which services find the stack."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from local_stack.keys.encryption import template_encryption_keys
from local_stack.keys.tokens import AUDIENCE, ISSUER, jwks_path
from local_stack.running.links import proxied_ports
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import SINGLE_BROKER, StackState

BUCKET = "attendance-images"
# Any name does; clients sign with it and the server compares.
REGION = "us-east-1"


@dataclass(frozen=True)
class StackEnv:
    """Addresses and credentials; each attribute is an environment variable in lower case."""

    kafka_bootstrap_servers: str
    kafka_topic_prefix: str
    kafka_single_broker: str
    schema_registry_url: str
    database_url: str
    writer_database_url: str
    feed_database_url: str
    query_database_url: str
    postgres_admin_url: str
    object_store_endpoint: str
    object_store_access_key: str
    object_store_secret_key: str
    object_store_bucket: str
    object_store_region: str
    valkey_url: str
    auth_issuer: str
    auth_audience: str
    auth_jwks: str
    template_encryption_keys: str

    def __repr__(self) -> str:
        # Test reports print fixtures; passwords do not belong there.
        return f"StackEnv(kafka_bootstrap_servers={self.kafka_bootstrap_servers!r}, ...)"

    def environ(self) -> dict[str, str]:
        """Return the variables by their names."""
        return {field.name.upper(): getattr(self, field.name) for field in fields(self)}

    def exports(self) -> str:
        """Render lines that a POSIX shell can evaluate."""
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.environ().items())


def stack_env(folder: Path, state: StackState, *, proxied: bool = False) -> StackEnv:
    """Build the variables of the stack in the folder; proxied: every server through its proxy."""
    ports, passwords = state.ports, state.secrets
    if proxied:
        ports = {**ports, **proxied_ports(state)}

    def postgres(role: str, database: str, port: int) -> str:
        return f"postgresql://{role}:{passwords[role]}@{LOOPBACK}:{port}/{database}"

    query_port = ports["postgres-replica" if state.replica else "postgres"]
    return StackEnv(
        kafka_bootstrap_servers=",".join(f"{LOOPBACK}:{ports[f'kafka-{node}']}" for node in state.broker_ids),
        kafka_topic_prefix="",
        kafka_single_broker=str(state.brokers == SINGLE_BROKER).lower(),
        schema_registry_url=f"http://{LOOPBACK}:{ports['registry']}/apis/ccompat/v7",
        database_url=postgres("attendance_owner", "attendance", ports["postgres"]),
        writer_database_url=postgres("attendance_projector", "attendance", ports["postgres"]),
        feed_database_url=postgres("attendance_projector_feed", "attendance", ports["postgres"]),
        query_database_url=postgres("query_api", "attendance", query_port),
        postgres_admin_url=postgres("postgres", "postgres", ports["postgres"]),
        object_store_endpoint=f"http://{LOOPBACK}:{ports['s3']}",
        object_store_access_key=passwords["s3-access"],
        object_store_secret_key=passwords["s3-secret"],
        object_store_bucket=BUCKET,
        object_store_region=REGION,
        valkey_url=f"redis://:{passwords['valkey']}@{LOOPBACK}:{ports['valkey']}/0",
        auth_issuer=ISSUER,
        auth_audience=AUDIENCE,
        auth_jwks=str(jwks_path(folder)),
        template_encryption_keys=template_encryption_keys(folder),
    )


def with_login_of(environ: Mapping[str, str], *command: str) -> dict[str, str]:
    """Return the variables for a command of attendance-projector: what runs all day does not own the tables.

    DATABASE_URL is the owner's, as which `migrate`, `rebuild` and the like are run, and `run --migrate`.
    """
    logins: dict[tuple[str, ...], str] = {("run",): "WRITER_DATABASE_URL", ("feed",): "FEED_DATABASE_URL"}
    return {**environ, "DATABASE_URL": environ[logins.get(command, "DATABASE_URL")]}
