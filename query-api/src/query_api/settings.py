"""Settings of query-api, read from the environment at start; unknown ones are refused."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from attendance_schemas.org_types import folder_of_org_types
from service_kit.setting_types import PostgresUrl
from service_kit.settings import (
    AuthSettings,
    HttpSettings,
    KafkaSettings,
    OptionalValkeySettings,
    QueryDatabaseSettings,
    SchemaRegistrySettings,
)


class Settings(HttpSettings):
    """Variables have the prefix QUERY_API_; those of Kafka, the database and so on have their own."""

    env_prefix: ClassVar[str] = "QUERY_API_"

    port: int = Field(default=8002, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    primary_database_url: PostgresUrl | None = Field(
        default=None, description="read from here while the replica is away; a login that cannot write"
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="connections per database")
    statement_timeout_ms: int = Field(
        default=5_000, ge=100, le=60_000, description="the database gives a query up after this long"
    )
    connect_timeout_seconds: float = Field(
        default=2.0, gt=0, le=30, description="for a new connection to a database"
    )
    replica_retry_seconds: float = Field(
        default=5.0, ge=0, le=300, description="between two looks for a replica that was away"
    )
    recheck_seconds: float = Field(
        default=1.0, gt=0, le=30, description="how often a waiting request looks into the read model"
    )

    org_types_dir: Annotated[Path | None, AfterValidator(folder_of_org_types)] = Field(
        default=None, description="folder of own types of organisations; the same for ingest and query-api"
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    database: QueryDatabaseSettings = Field(default_factory=QueryDatabaseSettings)
    registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    valkey: OptionalValkeySettings = Field(default_factory=OptionalValkeySettings)
