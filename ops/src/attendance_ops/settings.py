"""Settings of attendance-ops, read from the environment at start; unknown ones are refused."""

import getpass
import os
import socket
from typing import ClassVar

from pydantic import Field, SecretStr

from service_kit.environment import EnvironmentSettings
from service_kit.setting_types import PostgresUrl
from service_kit.settings import ArchiveSettings, KafkaSettings, SchemaRegistrySettings

COMMAND = "attendance-ops"


def _who() -> str:
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()} on {socket.gethostname()}"


class Settings(EnvironmentSettings):
    """Variables have the prefix OPS_; those of Kafka and the schema registry have their own."""

    env_prefix: ClassVar[str] = "OPS_"
    owns_prefix: ClassVar[bool] = True

    operator: str = Field(default_factory=_who, description="who decides, for the record", max_length=255)
    token: SecretStr | None = Field(
        default=None, description="a token with the role hr or auditor, to see names and badges; a secret"
    )
    database_url: PostgresUrl | None = Field(
        default=None, description="postgresql:// URL of the read model, a login that cannot write"
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
