"""Settings from the environment, refused at start when a name is unknown or a value missing or bad.

Each group of variables has one class; a service composes them. Secrets are `SecretStr` and never appear in
a message. With `SECRETS_DIR` set, a variable may also be a file of that folder with the variable's name in
lower case.
"""

from __future__ import annotations

import difflib
import os
import ssl
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from service_kit.errors import SettingsError


class EnvironmentSettings(BaseSettings):
    """A frozen group of variables that share the prefix `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    env_prefix: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the secrets folder."""
        del env_settings, dotenv_settings, file_secret_settings
        sources = (init_settings, EnvSettingsSource(settings_cls, env_prefix=cls.env_prefix))
        folder = os.environ.get("SECRETS_DIR")
        if folder is None:
            return sources
        return (*sources, SecretsSettingsSource(settings_cls, secrets_dir=folder, env_prefix=cls.env_prefix))

    @classmethod
    def variable(cls, field: str) -> str:
        """Name the environment variable of a field."""
        return f"{cls.env_prefix}{field}".upper()

    @classmethod
    def load(cls) -> Self:
        """Read the settings.

        Raises:
            SettingsError: names every variable that is missing, wrong or unknown, without its value.
        """
        try:
            return cls()
        except ValidationError as error:
            owner = _owner(cls, error.title)
            problems = "; ".join(
                f"{owner.variable('.'.join(str(part) for part in item['loc']))}: {item['msg']}"
                for item in error.errors(include_input=False, include_context=False, include_url=False)
            )
            raise SettingsError(
                f"set these environment variables right and start again: {problems}"
            ) from None


def _owner(cls: type[EnvironmentSettings], name: str) -> type[EnvironmentSettings]:
    """Return the settings of this name: the class itself, or one of its groups, which fail on their own."""
    kinds = [cls, *(field.annotation for field in cls.model_fields.values())]
    groups = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, EnvironmentSettings)]
    return next((group for group in groups if group.__name__ == name), cls)


class ServiceSettings(EnvironmentSettings):
    """Base of a service's own settings; a variable with its prefix that no field reads is refused."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = True
    tracing_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP traces endpoint; off when absent"
    )

    @model_validator(mode="after")
    def _refuse_unknown_variables(self) -> Self:
        cls = type(self)
        if not cls.env_prefix:
            return self
        known = {
            cls.variable(name) for name, field in cls.model_fields.items() if not _is_group(field.annotation)
        }
        unknown = sorted(name for name in os.environ if name.startswith(cls.env_prefix) and name not in known)
        if unknown:
            raise SettingsError("; ".join(_unknown_variable(name, known) for name in unknown))
        return self


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _unknown_variable(name: str, known: set[str]) -> str:
    closest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
    return f"{name} is not a setting, did you mean {closest[0]}?" if closest else f"{name} is not a setting"


class HttpSettings(ServiceSettings):
    """Settings of a service that listens; `host` and `port` carry the service's own prefix."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)


class KafkaSettings(EnvironmentSettings):
    """How to reach Kafka, and the prefix that keeps one installation's topics and groups apart."""

    env_prefix: ClassVar[str] = "KAFKA_"

    bootstrap_servers: str
    topic_prefix: str = ""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    ssl_key_file: Path | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            raise ValueError("KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE go together")
        return self

    def topic(self, name: str) -> str:
        """Give the full name of a topic."""
        return f"{self.topic_prefix}{name}"

    def group(self, name: str) -> str:
        """Give the full name of a consumer group."""
        return f"{self.topic_prefix}{name}"

    def client_options(self) -> dict[str, Any]:
        """Give the keyword arguments that every aiokafka client takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=str(self.ssl_ca_file) if self.ssl_ca_file else None)
            if self.ssl_cert_file is not None:
                context.load_cert_chain(str(self.ssl_cert_file), str(self.ssl_key_file))
            options["ssl_context"] = context
        if self.security_protocol.startswith("SASL") and self.sasl_password is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options


class ObjectStoreSettings(EnvironmentSettings):
    """How to reach the object store."""

    env_prefix: ClassVar[str] = "OBJECT_STORE_"

    endpoint: str = Field(pattern=r"^https?://[^/]+/?$", description="scheme, host and port")
    access_key: str
    secret_key: SecretStr
    bucket: str
    region: str = "us-east-1"


class AuthSettings(EnvironmentSettings):
    """Whose tokens are trusted. `jwks` is a file path or an http(s) URL."""

    env_prefix: ClassVar[str] = "AUTH_"

    issuer: str
    audience: str
    jwks: str


class DatabaseSettings(EnvironmentSettings):
    """The database that the service owns; the URL holds a password."""

    env_prefix: ClassVar[str] = "DATABASE_"

    url: SecretStr


class QueryDatabaseSettings(EnvironmentSettings):
    """The database to read from, with a login that cannot write; the URL holds a password."""

    env_prefix: ClassVar[str] = "QUERY_DATABASE_"

    url: SecretStr


class ValkeySettings(EnvironmentSettings):
    """The cache; the URL holds a password."""

    env_prefix: ClassVar[str] = "VALKEY_"

    url: SecretStr


class OptionalValkeySettings(EnvironmentSettings):
    """The cache of a service that also works without one."""

    env_prefix: ClassVar[str] = "VALKEY_"

    url: SecretStr | None = None


class SchemaRegistrySettings(EnvironmentSettings):
    """The schema registry's Confluent-compatible API."""

    env_prefix: ClassVar[str] = "SCHEMA_REGISTRY_"

    url: str
