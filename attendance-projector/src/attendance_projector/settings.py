"""Settings of the projector, from the environment; a variable with its prefix that is unknown is refused."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from service_kit.settings import (
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    OptionalValkeySettings,
    SchemaRegistrySettings,
)


class Settings(HttpSettings):
    """What `run` needs; `migrate` needs the database only."""

    env_prefix: ClassVar[str] = "ATTENDANCE_PROJECTOR_"

    port: int = Field(default=8003, ge=0, le=65535, description="port of health and metrics")
    batch_records: int = Field(
        default=5000, ge=1, le=10_000, description="records applied in one transaction, at most"
    )
    months_ahead: int = Field(
        default=3, ge=0, le=24, description="months for which partitions are made at start"
    )
    stall_limit: timedelta = Field(
        default=timedelta(minutes=5),
        description="lag without progress for longer than this asks for a restart",
    )
    tick_interval: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="how often the passing of time is recorded; days without a punch are decided by it",
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: OptionalValkeySettings = Field(default_factory=OptionalValkeySettings)
