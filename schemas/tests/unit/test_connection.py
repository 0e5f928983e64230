"""The command reaches Kafka and the registry by the variables that the services read."""

import ssl

import pytest

from attendance_schemas.connection import client_options, registry_tls
from attendance_schemas.errors import SchemaError

SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "apply",
    "KAFKA_SASL_PASSWORD": "secret",
}


def test_without_variables_it_is_plain():
    assert client_options({}) == {"security_protocol": "PLAINTEXT"}


def test_tls_and_sasl():
    options = client_options(SASL)
    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "apply",
        "sasl_plain_password": "secret",
    }


def test_a_secret_may_be_a_file(tmp_path):
    (tmp_path / "kafka_sasl_password").write_text("from a file\n")
    environ = {name: value for name, value in SASL.items() if name != "KAFKA_SASL_PASSWORD"}
    options = client_options({**environ, "SECRETS_DIR": str(tmp_path)})
    assert options["sasl_plain_password"] == "from a file"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL: it should be one of PLAINTEXT, SSL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        ({**SASL, "KAFKA_SASL_MECHANISM": "MD5"}, "KAFKA_SASL_MECHANISM: it should be one of PLAIN"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERT_FILE": "a"}, "go together"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "/nowhere"}, "cannot be read"),
        ({"KAFKA_SSL_CA_FILE": __file__}, "KAFKA_SSL_CA_FILE: without effect.* PLAINTEXT; set that to SSL"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SASL_PASSWORD": "secret"},
            "SASL_PASSWORD: without effect",
        ),
    ],
)
def test_what_cannot_work_is_named(environ, message):
    with pytest.raises(SchemaError, match=message) as refused:
        client_options(environ)
    assert "secret" not in str(refused.value)


def test_the_registry_is_plain_or_secured_by_its_url():
    assert registry_tls("http://registry:8081", {}) is None
    context = registry_tls("https://registry:8081", {})
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("url", "environ", "message"),
    [
        ("http://r", {"SCHEMA_REGISTRY_SSL_CA_FILE": __file__}, "_CA_FILE: without effect, as SCHEMA_REG"),
        ("https://r", {"SCHEMA_REGISTRY_SSL_CERT_FILE": "a"}, "go together"),
        ("https://r", {"SCHEMA_REGISTRY_SSL_CA_FILE": __file__}, "SCHEMA_REGISTRY_SSL_CA_FILE, .* cannot be"),
    ],
)
def test_what_cannot_work_with_the_registry_is_named(url, environ, message):
    with pytest.raises(SchemaError, match=message):
        registry_tls(url, environ)
