"""How `attendance-schemas apply` reaches Kafka and the registry: by the variables that the services read.

With SECRETS_DIR set, a variable may also be a file of that folder with the variable's name in lower case.
"""

import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attendance_schemas.errors import SchemaError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
CERTIFICATES = ("SSL_CA_FILE", "SSL_CERT_FILE", "SSL_KEY_FILE")
KAFKA_VARIABLES = (
    "KAFKA_SECURITY_PROTOCOL",
    *(f"KAFKA_{name}" for name in CERTIFICATES),
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
)
REGISTRY_VARIABLES = tuple(f"SCHEMA_REGISTRY_{name}" for name in CERTIFICATES)


def client_options(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the keyword arguments of an aiokafka client, without the addresses. Raises SchemaError."""
    values = {name: _value(environ, name) for name in KAFKA_VARIABLES}
    protocol, ca, cert, key, mechanism, username, password = values.values()
    protocol, mechanism = protocol or "PLAINTEXT", mechanism or "PLAIN"
    if protocol not in PROTOCOLS:
        raise SchemaError(f"KAFKA_SECURITY_PROTOCOL: it should be one of {', '.join(PROTOCOLS)}")
    _check_effects(protocol, [name for name, value in values.items() if value is not None])
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls("KAFKA", ca, cert, key)
    if protocol.startswith("SASL"):
        if not (username and password):
            raise SchemaError(f"{protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if mechanism not in MECHANISMS:
            raise SchemaError(f"KAFKA_SASL_MECHANISM: it should be one of {', '.join(MECHANISMS)}")
        options |= {
            "sasl_mechanism": mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return options


def registry_tls(url: str, environ: Mapping[str, str] = os.environ) -> ssl.SSLContext | None:
    """Return the context for the registry at this URL; None where it is plain. Raises SchemaError."""
    values = {name: _value(environ, name) for name in REGISTRY_VARIABLES}
    if url.startswith("https://"):
        return _tls("SCHEMA_REGISTRY", *values.values())
    if given := [name for name, value in values.items() if value is not None]:
        raise SchemaError(
            f"{', '.join(given)}: without effect, as SCHEMA_REGISTRY_URL does not begin with https://; "
            "let it, or take these away"
        )
    return None


def _check_effects(protocol: str, given: Sequence[str]) -> None:
    """Refuse what is set and would not be used, as the services do."""
    for kind, is_used, protocols in (
        ("KAFKA_SSL_", protocol.endswith("SSL"), "SSL or SASL_SSL"),
        ("KAFKA_SASL_", protocol.startswith("SASL"), "SASL_SSL or SASL_PLAINTEXT"),
    ):
        unused = [name for name in given if name.startswith(kind)]
        if unused and not is_used:
            raise SchemaError(
                f"{', '.join(unused)}: without effect, as KAFKA_SECURITY_PROTOCOL is {protocol}; "
                f"set that to {protocols}, or take these away"
            )


def _value(environ: Mapping[str, str], name: str) -> str | None:
    if name not in environ and (folder := environ.get("SECRETS_DIR")):
        file = Path(folder) / name.lower()
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None
    return environ.get(name)


def _tls(prefix: str, ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    if (cert is None) != (key is None):
        raise SchemaError(f"{prefix}_SSL_CERT_FILE and {prefix}_SSL_KEY_FILE go together")
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except OSError as error:
        raise SchemaError(f"{prefix}_SSL_CA_FILE, _CERT_FILE, _KEY_FILE cannot be read: {error}") from error
    return context
