import ssl
from pathlib import Path
from typing import ClassVar

import certifi
import pytest
from pydantic import Field, SecretStr, ValidationError

from local_stack.keys.certificates import Authority
from service_kit.errors import SettingsError
from service_kit.settings import (
    AuthSettings,
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OptionalValkeySettings,
    SchemaRegistrySettings,
    TlsClientSettings,
    ValkeySettings,
)


class ExampleSettings(HttpSettings):
    env_prefix: ClassVar[str] = "EXAMPLE_"

    batch_size: int = 500
    kafka: KafkaSettings = Field(default_factory=KafkaSettings.load)


class OtherSettings(HttpSettings):
    env_prefix: ClassVar[str] = "OTHER_"

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("KAFKA_TOPIC_PREFIX", "DATABASE_URL", "SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "k1:9092,k2:9092")
    return monkeypatch


@pytest.fixture
def certificates() -> Path:
    return Path(certifi.where())


def test_settings_come_from_prefixed_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("EXAMPLE_PORT", "8123")
    environment.setenv("EXAMPLE_BATCH_SIZE", "7")
    environment.setenv("KAFKA_TOPIC_PREFIX", "t1.")
    settings = ExampleSettings.load()
    assert (settings.port, settings.batch_size, settings.log_level) == (8123, 7, "INFO")
    assert settings.kafka.topic("numbers") == "t1.numbers"
    assert settings.kafka.group("workers") == "t1.workers"
    assert settings.kafka.client_options() == {
        "bootstrap_servers": "k1:9092,k2:9092",
        "security_protocol": "PLAINTEXT",
    }
    with pytest.raises(ValidationError):
        settings.port = 1


def test_an_unknown_variable_is_refused_with_the_closest_known_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("EXAMPLE_BATCHSIZE", "7")
    with pytest.raises(SettingsError, match="BATCHSIZE is not a setting, did you mean EXAMPLE_BATCH_SIZE"):
        ExampleSettings.load()


def test_errors_name_the_variables_and_never_the_values(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("EXAMPLE_PORT", "hunter2")
    with pytest.raises(SettingsError, match="EXAMPLE_PORT") as failure:
        ExampleSettings.load()
    assert "hunter2" not in str(failure.value)
    environment.delenv("EXAMPLE_PORT")
    environment.delenv("KAFKA_BOOTSTRAP_SERVERS")
    for settings in (ExampleSettings, OtherSettings):
        with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP_SERVERS"):
            settings.load()


def test_secrets_are_hidden_and_may_be_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://u:hunter2@db/x\n")
    environment.setenv("SECRETS_DIR", str(tmp_path))
    settings = DatabaseSettings.load()
    assert settings.url.get_secret_value() == "postgresql://u:hunter2@db/x"
    assert "hunter2" not in repr(settings)


def test_tls_and_sasl_reach_the_client(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    environment.setenv("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
    environment.setenv("KAFKA_SASL_USERNAME", "u")
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD"):
        KafkaSettings.load()
    environment.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    settings = KafkaSettings.load()
    options = settings.client_options()
    assert isinstance(options.pop("ssl_context"), ssl.SSLContext)
    assert options == {
        "bootstrap_servers": "k1:9092,k2:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": "hunter2",
    }
    assert isinstance(settings.sasl_password, SecretStr)


def test_half_a_client_certificate_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    environment.setenv("KAFKA_SSL_CERT_FILE", __file__)
    with pytest.raises(SettingsError, match="go together"):
        KafkaSettings.load()


@pytest.mark.parametrize(
    ("protocol", "variable"),
    [
        (None, "KAFKA_SSL_CA_FILE"),
        ("PLAINTEXT", "KAFKA_SSL_CA_FILE"),
        ("SASL_PLAINTEXT", "KAFKA_SSL_CA_FILE"),
        (None, "KAFKA_SASL_USERNAME"),
        ("SSL", "KAFKA_SASL_PASSWORD"),
        ("PLAINTEXT", "KAFKA_SASL_MECHANISM"),
    ],
)
def test_what_would_protect_and_does_not_is_refused(
    environment: pytest.MonkeyPatch, certificates: Path, protocol: str | None, variable: str
) -> None:
    if protocol is not None:
        environment.setenv("KAFKA_SECURITY_PROTOCOL", protocol)
    if protocol == "SASL_PLAINTEXT":
        environment.setenv("KAFKA_SASL_USERNAME", "u")
        environment.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    values = {"KAFKA_SSL_CA_FILE": str(certificates), "KAFKA_SASL_MECHANISM": "PLAIN"}
    environment.setenv(variable, values.get(variable, "hunter2"))
    with pytest.raises(SettingsError, match=f"{variable}: without effect") as failure:
        KafkaSettings.load()
    assert "hunter2" not in str(failure.value)


GROUPS: list[tuple[type[TlsClientSettings], str, str, dict[str, str]]] = [
    (ValkeySettings, "url", "redis", {}),
    (OptionalValkeySettings, "url", "redis", {}),
    (SchemaRegistrySettings, "url", "http", {}),
    (AuthSettings, "jwks", "http", {"issuer": "i", "audience": "a"}),
    (ObjectStoreSettings, "endpoint", "http", {"access_key": "a", "secret_key": "s", "bucket": "b"}),
]


@pytest.mark.parametrize(("group", "field", "scheme", "others"), GROUPS)
def test_certificates_count_with_a_url_of_tls_alone(
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    group: type[TlsClientSettings],
    field: str,
    scheme: str,
    others: dict[str, str],
) -> None:
    folder = Authority().issue(tmp_path, "client")
    for name, value in others.items():
        environment.setenv(group.variable(name), value)
    environment.setenv(group.variable(field), f"{scheme}://server:1")
    assert group.load().tls() is None
    for name, file in (
        ("ssl_ca_file", folder.ca),
        ("ssl_cert_file", folder.cert),
        ("ssl_key_file", folder.key),
    ):
        environment.setenv(group.variable(name), str(file))
    with pytest.raises(SettingsError) as failure:
        group.load()
    for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file", field):
        assert group.variable(name) in str(failure.value)
    environment.setenv(group.variable(field), f"{scheme}s://server:1")
    assert isinstance(group.load().tls(), ssl.SSLContext)
    environment.delenv(group.variable("ssl_key_file"))
    with pytest.raises(SettingsError, match=r"SSL_CERT_FILE and [A-Z_]*SSL_KEY_FILE go together"):
        group.load()


def test_certificates_of_a_cache_that_is_none_are_refused(
    environment: pytest.MonkeyPatch, certificates: Path
) -> None:
    environment.setenv("VALKEY_SSL_CA_FILE", str(certificates))
    with pytest.raises(SettingsError, match="VALKEY_SSL_CA_FILE: without effect, as VALKEY_URL"):
        OptionalValkeySettings.load()


def test_certificates_in_the_url_of_the_cache_are_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VALKEY_URL", "rediss://cache:1/0?ssl_cert_reqs=none")
    with pytest.raises(SettingsError, match=r"VALKEY_URL: .*VALKEY_SSL_CA_FILE"):
        ValkeySettings.load()


def test_a_certificate_of_somebody_else_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, other = (Authority().issue(tmp_path / name, name) for name in ("one", "other"))
    for prefix, group in (("KAFKA", KafkaSettings), ("EXAMPLE", ExampleSettings)):
        environment.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
        environment.setenv(f"{prefix}_SSL_CERT_FILE", str(one.cert))
        environment.setenv(f"{prefix}_SSL_KEY_FILE", str(other.key))
        with pytest.raises(SettingsError, match=f"{prefix}_SSL_KEY_FILE: no certificate with its key"):
            group.load()
        environment.delenv(f"{prefix}_SSL_CERT_FILE")
        environment.delenv(f"{prefix}_SSL_KEY_FILE")


def test_what_a_listener_is_told_counts_or_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = Authority().issue(tmp_path, "example")
    assert ExampleSettings.load().tls() is None
    environment.setenv("EXAMPLE_SSL_CLIENT_CA_FILE", str(folder.ca))
    with pytest.raises(SettingsError, match="CLIENT_CA_FILE: without effect; set EXAMPLE_SSL_CERT_FILE"):
        ExampleSettings.load()
    environment.delenv("EXAMPLE_SSL_CLIENT_CA_FILE")
    environment.setenv("EXAMPLE_SSL_CERT_FILE", str(folder.cert))
    with pytest.raises(SettingsError, match="go together"):
        ExampleSettings.load()
    environment.setenv("EXAMPLE_SSL_KEY_FILE", str(folder.key))
    environment.setenv("EXAMPLE_SSL_CLIENT_NAMES", "gateway, prometheus")
    with pytest.raises(SettingsError, match="CLIENT_NAMES: without effect; set EXAMPLE_SSL_CLIENT_CA_FILE"):
        ExampleSettings.load()
    environment.setenv("EXAMPLE_SSL_CLIENT_CA_FILE", str(folder.ca))
    for nobody in ("", ",", "gateway,"):
        environment.setenv("EXAMPLE_SSL_CLIENT_NAMES", nobody)
        with pytest.raises(SettingsError, match="CLIENT_NAMES: write names"):
            ExampleSettings.load()
    environment.setenv("EXAMPLE_SSL_CLIENT_NAMES", "gateway, prometheus")
    tls = ExampleSettings.load().tls()
    assert tls is not None
    assert tls.names == {"gateway", "prometheus"}


def test_a_wrong_value_is_named_by_its_own_service(monkeypatch: pytest.MonkeyPatch) -> None:
    class _Other(HttpSettings):
        env_prefix: ClassVar[str] = "OTHER_"

    class _Mine(HttpSettings):
        env_prefix: ClassVar[str] = "MINE_"
        limit: int = 1

    _Other.__name__ = _Mine.__name__ = "Settings"
    monkeypatch.setenv("MINE_LIMIT", "ten")
    with pytest.raises(SettingsError, match="MINE_LIMIT"):
        _Mine.load()
