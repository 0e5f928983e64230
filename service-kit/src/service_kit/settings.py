"""Settings from the environment, refused at start when a name is unknown or a value missing or bad.

Each group of variables has one class; a service composes them. Secrets are `SecretStr` and never appear in
a message. With `SECRETS_DIR` set, a variable may also be a file of that folder with the variable's name in
lower case.
"""

from __future__ import annotations

import difflib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from service_kit.errors import SettingsError
from service_kit.setting_types import (
    Brokers,
    CertificatesFile,
    Endpoint,
    FileOrUrl,
    HttpUrl,
    PostgresUrl,
    ReadableFile,
    SecretText,
    Text,
    ValkeyUrl,
)

# So alike is a misspelt variable to the right one: their names after the prefix, by difflib's ratio.
ALIKE = 0.6
# What to write instead, where pydantic's own words are about its implementation.
_FORMS = {"date_from_datetime_parsing": "write a date such as 2026-01-31"}


class _Variables(EnvSettingsSource):
    """The environment, one variable a field: a group of variables has no variable of its own."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if group_of(field.annotation) is not None:
            return None, field_name, False
        return super().get_field_value(field, field_name)


class _SecretFiles(SecretsSettingsSource):
    """The files of `SECRETS_DIR`, one a field."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if group_of(field.annotation) is not None:
            return None, field_name, False
        return super().get_field_value(field, field_name)


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
        sources = (init_settings, _Variables(settings_cls, env_prefix=cls.env_prefix))
        folder = os.environ.get("SECRETS_DIR")
        if folder is None:
            return sources
        return (*sources, _SecretFiles(settings_cls, secrets_dir=folder, env_prefix=cls.env_prefix))

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
        problems = dict.fromkeys(_secrets_folder_problems())  # in order, each once
        built: dict[str, EnvironmentSettings] = {}
        if not problems:
            for name, group in _groups(cls).items():
                # A group that fails is named once; an empty one takes its place while the others are read.
                built[name] = group._read(problems) or group.model_construct()
            settings = cls._read(problems, **built)
            if settings is not None and not problems:
                return settings
        raise SettingsError(f"set these variables right and start again: {'; '.join(problems)}")

    @classmethod
    def _read(cls, problems: dict[str, None], **groups: Any) -> Self | None:
        """Read one group of variables; add what is wrong with it to `problems`."""
        problems.update(dict.fromkeys(_unknown_variables(cls)))
        try:
            return cls(**groups)
        except ValidationError as error:
            problems.update(dict.fromkeys(_problems(cls, error)))
        return None


def group_of(annotation: Any) -> type[EnvironmentSettings] | None:
    """Return the group of variables that a field's annotation stands for; None for a single variable."""
    is_group = isinstance(annotation, type) and issubclass(annotation, EnvironmentSettings)
    return annotation if is_group else None


def _groups(cls: type[EnvironmentSettings]) -> dict[str, type[EnvironmentSettings]]:
    found = {name: group_of(field.annotation) for name, field in cls.model_fields.items()}
    return {name: group for name, group in found.items() if group is not None}


def _secrets_folder_problems() -> Iterator[str]:
    folder = os.environ.get("SECRETS_DIR")
    if folder is not None and not (folder and Path(folder).is_dir()):
        yield "SECRETS_DIR: there is no folder with this name"


def _problems(cls: type[EnvironmentSettings], error: ValidationError) -> Iterator[str]:
    """Yield what is wrong with each variable, without its value."""
    for item in error.errors(include_input=False, include_url=False):
        if not item["loc"]:  # about several variables: the message names them
            yield _in_words(item)
            continue
        name = cls.variable(".".join(str(part) for part in item["loc"]))
        yield f"{name} is not set" if item["type"] == "missing" else f"{name}: {_in_words(item)}"


def _in_words(item: ErrorDetails) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    return _FORMS.get(item["type"], item["msg"].replace("Input should", "it should"))


def _unknown_variables(cls: type[EnvironmentSettings]) -> Iterator[str]:
    """Yield the variables with this prefix that no field reads.

    A service's own prefix is its alone. With the prefix of a shared group others name theirs too, Kafka's
    scripts (KAFKA_OPTS) and Kubernetes (KAFKA_SERVICE_HOST): there a variable is refused when it is nearly
    the name of one that is read.
    """
    prefix = cls.env_prefix
    known = [cls.variable(name) for name in cls.model_fields.keys() - _groups(cls).keys()]
    rests = sorted(name.removeprefix(prefix) for name in known)
    cutoff = 0.0 if issubclass(cls, ServiceSettings) else ALIKE
    for name in sorted(os.environ):
        if not prefix or not name.startswith(prefix) or name in known:
            continue
        closest = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=cutoff)
        if closest:
            yield f"{name} is not a setting, did you mean {prefix}{closest[0]}?"


class ServiceSettings(EnvironmentSettings):
    """Base of a service's own settings; a variable with its prefix that no field reads is refused."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    log_json: bool = Field(default=True, description="one JSON object a line; else for people")
    tracing_endpoint: HttpUrl | None = Field(default=None, description="base URL of an OTLP/HTTP collector")


class HttpSettings(ServiceSettings):
    """Settings of a service that listens; `host` and `port` carry the service's own prefix."""

    host: Text = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")


class KafkaSettings(EnvironmentSettings):
    """How to reach Kafka, and the prefix that keeps one installation's topics and groups apart."""

    env_prefix: ClassVar[str] = "KAFKA_"

    bootstrap_servers: Brokers = Field(description="HOST:PORT of brokers, with commas between them")
    topic_prefix: str = Field(default="", description="before the name of every topic and consumer group")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    ssl_ca_file: CertificatesFile | None = Field(
        default=None, description="certificates that brokers must show"
    )
    ssl_cert_file: ReadableFile | None = Field(
        default=None, description="the client's certificate, with its key"
    )
    ssl_key_file: ReadableFile | None = Field(default=None, description="the key of the client's certificate")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: str | None = Field(default=None, description="the client's name, with SASL_*")
    sasl_password: SecretStr | None = Field(default=None, description="the client's password, with SASL_*")

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        self._check_effects()
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            raise ValueError("KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE go together")
        try:
            self._tls()
        except OSError:
            raise ValueError("KAFKA_SSL_CERT_FILE, KAFKA_SSL_KEY_FILE: no certificate with its key") from None
        return self

    def _check_effects(self) -> None:
        """Refuse what is set and would not be used: who names certificates does not expect plain text."""
        for kind, is_used, protocols in (
            ("ssl_", self.security_protocol.endswith("SSL"), "SSL or SASL_SSL"),
            ("sasl_", self.security_protocol.startswith("SASL"), "SASL_SSL or SASL_PLAINTEXT"),
        ):
            unused = [self.variable(name) for name in sorted(self.model_fields_set) if name.startswith(kind)]
            if unused and not is_used:
                raise ValueError(
                    f"{', '.join(unused)}: without effect, as KAFKA_SECURITY_PROTOCOL is "
                    f"{self.security_protocol}; set that to {protocols}, or take these away"
                )

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
            options["ssl_context"] = self._tls()
        if self.security_protocol.startswith("SASL") and self.sasl_password is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ssl_ca_file) if self.ssl_ca_file else None)
        if self.ssl_cert_file is not None:
            context.load_cert_chain(str(self.ssl_cert_file), str(self.ssl_key_file))
        return context


class ObjectStoreSettings(EnvironmentSettings):
    """How to reach the object store."""

    env_prefix: ClassVar[str] = "OBJECT_STORE_"

    endpoint: Endpoint = Field(description="scheme, host and port")
    access_key: Text = Field(description="the id of the key")
    secret_key: SecretText = Field(description="the key itself; a secret")
    bucket: Text = Field(description="where images are kept")
    region: Text = Field(default="us-east-1", description="the store's region; any for a store without")


class AuthSettings(EnvironmentSettings):
    """Whose tokens are trusted. `jwks` is a file path or an http(s) URL."""

    env_prefix: ClassVar[str] = "AUTH_"

    issuer: Text = Field(description="the `iss` that tokens must have")
    audience: Text = Field(description="the `aud` that tokens must have")
    jwks: FileOrUrl = Field(description="file or http(s) URL of the keys that sign tokens")


class DatabaseSettings(EnvironmentSettings):
    """The database that the service owns; the URL holds a password."""

    env_prefix: ClassVar[str] = "DATABASE_"

    url: PostgresUrl = Field(description="postgresql:// URL of the database that the service owns")


class QueryDatabaseSettings(EnvironmentSettings):
    """The database to read from, with a login that cannot write; the URL holds a password."""

    env_prefix: ClassVar[str] = "QUERY_DATABASE_"

    url: PostgresUrl = Field(
        description="postgresql:// URL of the database to read, a login that cannot write"
    )


class ValkeySettings(EnvironmentSettings):
    """The cache; the URL holds a password."""

    env_prefix: ClassVar[str] = "VALKEY_"

    url: ValkeyUrl = Field(description="redis:// URL of the cache")


class OptionalValkeySettings(EnvironmentSettings):
    """The cache of a service that also works without one."""

    env_prefix: ClassVar[str] = "VALKEY_"

    url: ValkeyUrl | None = Field(default=None, description="redis:// URL of the cache")


class SchemaRegistrySettings(EnvironmentSettings):
    """The schema registry's Confluent-compatible API."""

    env_prefix: ClassVar[str] = "SCHEMA_REGISTRY_"

    url: HttpUrl = Field(description="http(s) URL of the registry, as Confluent's clients take it")
