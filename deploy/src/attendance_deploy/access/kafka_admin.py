"""A client of Kafka's administration by the variables that the services read."""

import os
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka.admin import AdminClient

from attendance_deploy.errors import Refused

_OPTIONS = {
    "KAFKA_BOOTSTRAP_SERVERS": "bootstrap.servers",
    "KAFKA_SECURITY_PROTOCOL": "security.protocol",
    "KAFKA_SSL_CA_FILE": "ssl.ca.location",
    "KAFKA_SSL_CERT_FILE": "ssl.certificate.location",
    "KAFKA_SSL_KEY_FILE": "ssl.key.location",
    "KAFKA_SASL_MECHANISM": "sasl.mechanism",
    "KAFKA_SASL_USERNAME": "sasl.username",
    "KAFKA_SASL_PASSWORD": "sasl.password",
}


def client_options(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what librdkafka is told; a variable may be a file of SECRETS_DIR. Raises Refused."""
    found = {option: value for name, option in _OPTIONS.items() if (value := _value(environ, name))}
    if "bootstrap.servers" not in found:
        raise Refused("KAFKA_BOOTSTRAP_SERVERS is not set")
    return found


def administrator(environ: Mapping[str, str] = os.environ) -> AdminClient:
    """Return a client; it connects when it is asked."""
    return AdminClient({**client_options(environ), "log_level": 2})


def _value(environ: Mapping[str, str], name: str) -> str | None:
    if name not in environ and (folder := environ.get("SECRETS_DIR")):
        file = Path(folder) / name.lower()
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None
    return environ.get(name)
