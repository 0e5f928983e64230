"""Settings of the projector, from the environment; a variable with its prefix that is unknown is refused."""

import math
from datetime import date, timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from attendance_projector.domain.retention import KeptMonths
from service_kit.setting_types import Duration
from service_kit.settings import (
    ArchiveSettings,
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    OptionalValkeySettings,
    SchemaRegistrySettings,
)

SERVICE = "attendance-projector"


class Settings(HttpSettings):
    """What `run` and `feed` need; `migrate` needs the database only."""

    env_prefix: ClassVar[str] = "ATTENDANCE_PROJECTOR_"

    port: int = Field(default=8003, ge=0, le=65535, description="port of health and metrics")
    batch_records: int = Field(
        default=5000, ge=1, le=10_000, description="records applied in one transaction, at most"
    )
    months_ahead: int = Field(
        default=3, ge=0, le=24, description="months for which partitions are made at start"
    )
    earliest_on: date = Field(
        default=date(2015, 1, 1),
        ge=date(2000, 1, 1),
        description="first date that counts: earlier facts are refused, and no earlier days are computed",
    )
    stall_limit: Duration = Field(
        default=timedelta(minutes=5),
        description="lag without progress for longer than this asks for a restart",
    )
    tick_interval: Duration = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="how often the passing of time is recorded; days without a punch are decided by it",
    )
    feed_changes: bool = Field(
        default=True,
        description="whether `run` tells what changes, too; off where `feed` does, in a process of its own",
    )
    keep_capture_months: int | None = Field(
        default=None, ge=2, le=1200, description="whole months of captures kept by `retention`; off: all"
    )
    keep_punch_months: int | None = Field(
        default=None, ge=2, le=1200, description="whole months of punches kept by `retention`; off: all"
    )
    keep_day_months: int | None = Field(
        default=None, ge=2, le=1200, description="whole months of days kept by `retention`; off: all"
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: OptionalValkeySettings = Field(default_factory=OptionalValkeySettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)

    @property
    def keep(self) -> KeptMonths:
        """How many months `retention` keeps."""
        return KeptMonths(self.keep_capture_months, self.keep_punch_months, self.keep_day_months)

    @model_validator(mode="after")
    def _keep_what_others_rest_on(self) -> Self:
        """Punches without their days would make the days again."""
        punches, days = (
            math.inf if each is None else each for each in (self.keep_punch_months, self.keep_day_months)
        )
        if punches > days:
            days_kept, punches_kept = map(self.variable, ("keep_day_months", "keep_punch_months"))
            raise ValueError(
                f"{days_kept} must be at least {punches_kept}: punches would make the days again"
            )
        return self
