"""What services are told by variables: one class for each group; a service composes them."""

from __future__ import annotations

import ssl
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from service_kit.environment import EnvironmentSettings
from service_kit.setting_types import (
    Brokers,
    CertificatesFile,
    Endpoint,
    FileOrUrl,
    HttpUrl,
    Names,
    PostgresUrl,
    ReadableFile,
    SecretText,
    Text,
    ValkeyUrl,
)
from service_kit.tls import Certificates, TlsListening


class ServiceSettings(EnvironmentSettings):
    """Base of a service's own settings; a variable with its prefix that no field reads is refused."""

    owns_prefix: ClassVar[bool] = True

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    log_json: bool = Field(default=True, description="one JSON object a line; else for people")
    tracing_endpoint: HttpUrl | None = Field(default=None, description="base URL of an OTLP/HTTP collector")


class HttpSettings(ServiceSettings):
    """Settings of a service that listens; `host` and `port` carry the service's own prefix."""

    host: Text = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    ssl_cert_file: ReadableFile | None = Field(
        default=None, description="the certificate to show, with its key; then nothing but TLS is spoken"
    )
    ssl_key_file: ReadableFile | None = Field(default=None, description="the key of that certificate")
    ssl_client_ca_file: CertificatesFile | None = Field(
        default=None, description="clients must show a certificate of these"
    )
    ssl_client_names: Names | None = Field(
        default=None, description="common names of such clients, with commas between them; others get 403"
    )

    @model_validator(mode="after")
    def _check_listener(self) -> Self:
        _check_pair(self)
        for name, needed in (
            ("ssl_client_ca_file", "ssl_cert_file"),
            ("ssl_client_names", "ssl_client_ca_file"),
        ):
            if getattr(self, name) is not None and getattr(self, needed) is None:
                raise ValueError(f"{self.variable(name)}: without effect; set {self.variable(needed)}, too")
        return self

    def tls(self) -> TlsListening | None:
        """Give what a listener needs for TLS; None without."""
        if self.ssl_cert_file is None:
            return None
        files = Certificates(self.ssl_client_ca_file, self.ssl_cert_file, self.ssl_key_file)
        names = self.ssl_client_names.split(",") if self.ssl_client_names else []
        return TlsListening(files.server_context(), frozenset(name.strip() for name in names))


class TlsClientSettings(EnvironmentSettings):
    """Whom a client believes, and how it proves who it is: each group of a server that may speak TLS."""

    ssl_ca_file: CertificatesFile | None = Field(
        default=None, description="certificates that the server must show; else those of the system"
    )
    ssl_cert_file: ReadableFile | None = Field(
        default=None, description="the client's certificate, with its key"
    )
    ssl_key_file: ReadableFile | None = Field(default=None, description="the key of the client's certificate")

    @model_validator(mode="after")
    def _check_certificates(self) -> Self:
        """Refuse what would not be used: who names certificates does not expect plain text."""
        unused = [self.variable(name) for name in sorted(self.model_fields_set) if name.startswith("ssl_")]
        if unused and (reason := self.without_tls()) is not None:
            raise ValueError(f"{', '.join(unused)}: without effect, as {reason}, or take these away")
        _check_pair(self)
        return self

    @abstractmethod
    def without_tls(self) -> str | None:
        """Say why the connection is plain, and what would change that; None when it is TLS."""

    def tls(self) -> ssl.SSLContext | None:
        """Give the context of a client; None where the connection is plain."""
        if self.without_tls() is not None:
            return None
        return Certificates(self.ssl_ca_file, self.ssl_cert_file, self.ssl_key_file).client_context()


def _check_pair(group: HttpSettings | TlsClientSettings) -> None:
    """Refuse a certificate without its key, and one that is another's."""
    cert, key = map(group.variable, ("ssl_cert_file", "ssl_key_file"))
    if (group.ssl_cert_file is None) != (group.ssl_key_file is None):
        raise ValueError(f"{cert} and {key} go together")
    if group.ssl_cert_file is None:
        return
    try:
        group.tls()
    except OSError:
        raise ValueError(f"{cert}, {key}: no certificate with its key") from None


class KafkaSettings(TlsClientSettings):
    """How to reach Kafka, and the prefix that keeps one installation's topics and groups apart."""

    env_prefix: ClassVar[str] = "KAFKA_"

    bootstrap_servers: Brokers = Field(description="HOST:PORT of brokers, with commas between them")
    topic_prefix: str = Field(default="", description="before the name of every topic and consumer group")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: str | None = Field(default=None, description="the client's name, with SASL_*")
    sasl_password: SecretStr | None = Field(default=None, description="the client's password, with SASL_*")

    @model_validator(mode="after")
    def _check_sasl(self) -> Self:
        if self.security_protocol.startswith("SASL"):
            if not (self.sasl_username and self.sasl_password):
                raise ValueError(
                    f"{self.security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
                )
            return self
        unused = [self.variable(name) for name in sorted(self.model_fields_set) if name.startswith("sasl_")]
        if unused:
            raise ValueError(
                f"{', '.join(unused)}: without effect, as KAFKA_SECURITY_PROTOCOL is "
                f"{self.security_protocol}; set that to SASL_SSL or SASL_PLAINTEXT, or take these away"
            )
        return self

    def without_tls(self) -> str | None:
        """Say why brokers are reached in plain text; None when they are not."""
        if self.security_protocol.endswith("SSL"):
            return None
        return f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}; set that to SSL or SASL_SSL"

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
        if (context := self.tls()) is not None:
            options["ssl_context"] = context
        if self.security_protocol.startswith("SASL") and self.sasl_password is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options


class ObjectStoreAccess(TlsClientSettings):
    """How to reach the object store, whatever the bucket."""

    env_prefix: ClassVar[str] = "OBJECT_STORE_"

    endpoint: Endpoint = Field(description="scheme, host and port")
    access_key: Text = Field(description="the id of the key")
    secret_key: SecretText = Field(description="the key itself; a secret")
    region: Text = Field(default="us-east-1", description="the store's region; any for a store without")

    def without_tls(self) -> str | None:
        """Say why the store is reached in plain text; None when it is not."""
        return _unless(self.endpoint, "https://", "OBJECT_STORE_ENDPOINT")


class ObjectStoreSettings(ObjectStoreAccess):
    """How to reach the object store, and the bucket of a service."""

    bucket: Text = Field(description="where images are kept")


class ArchiveSettings(EnvironmentSettings):
    """Where topics are kept past Kafka's retention; OBJECT_STORE_* says how to reach it."""

    env_prefix: ClassVar[str] = "ARCHIVE_"

    bucket: Text | None = Field(
        default=None, description="where topics are archived; what Kafka no longer has is read there"
    )


class AuthSettings(TlsClientSettings):
    """Whose tokens are trusted. `jwks` is a file path or an http(s) URL."""

    env_prefix: ClassVar[str] = "AUTH_"

    issuer: Text = Field(description="the `iss` that tokens must have")
    audience: Text = Field(description="the `aud` that tokens must have")
    jwks: FileOrUrl = Field(description="file or http(s) URL of the keys that sign tokens")

    def without_tls(self) -> str | None:
        """Say why the keys are fetched in plain text, or from a file; None when they are not."""
        return _unless(self.jwks, "https://", "AUTH_JWKS")


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


class OptionalValkeySettings(TlsClientSettings):
    """The cache of a service that also works without one."""

    env_prefix: ClassVar[str] = "VALKEY_"

    url: ValkeyUrl | None = Field(default=None, description="redis:// or rediss:// URL of the cache")

    def without_tls(self) -> str | None:
        """Say why the cache is reached in plain text, or not at all; None when it is by TLS."""
        return _unless(self.url.get_secret_value() if self.url else "", "rediss://", "VALKEY_URL")


class ValkeySettings(OptionalValkeySettings):
    """The cache; the URL holds a password."""

    url: ValkeyUrl = Field(description="redis:// or rediss:// URL of the cache")


class SchemaRegistrySettings(TlsClientSettings):
    """The schema registry's Confluent-compatible API."""

    env_prefix: ClassVar[str] = "SCHEMA_REGISTRY_"

    url: HttpUrl = Field(description="http(s) URL of the registry, as Confluent's clients take it")

    def without_tls(self) -> str | None:
        """Say why the registry is reached in plain text; None when it is not."""
        return _unless(self.url, "https://", "SCHEMA_REGISTRY_URL")


def _unless(url: str, scheme: str, variable: str) -> str | None:
    return None if url.startswith(scheme) else f"{variable} does not begin with {scheme}; let it"
