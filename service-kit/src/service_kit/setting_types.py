"""What a variable may hold: types that refuse at start what would break later, in words for an operator.

No message repeats the value, which can be a secret; each says the form that is needed.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator
from pydantic_core.core_schema import multi_host_url_schema

MAX_PORT = 65_535
_BROKER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _brokers(text: str) -> str:
    ports = [_BROKER.fullmatch(each.strip()) for each in text.split(",")]
    if not all(found and 0 < int(found[1]) <= MAX_PORT for found in ports):
        raise ValueError("write HOST:PORT of each broker, with commas between them")
    return text


def _names(text: str) -> str:
    if not all(name.strip() for name in text.split(",")):
        raise ValueError("write names with commas between them")
    return text


def _url(form: str, *schemes: str) -> Callable[[str], str]:
    """Make a check of URLs that clients read themselves: it returns the text as it was written."""
    reader = SchemaValidator(multi_host_url_schema(allowed_schemes=list(schemes)))

    def check(text: str) -> str:
        try:
            reader.validate_python(text)
        except ValidationError:
            raise ValueError(f"write a URL such as {form}") from None
        if "://" not in text:
            raise ValueError(f"write a URL such as {form}")
        return text

    return check


def _hidden(check: Callable[[str], str]) -> Callable[[SecretStr], SecretStr]:
    def check_secret(secret: SecretStr) -> SecretStr:
        check(secret.get_secret_value())
        return secret

    return check_secret


_http_url = _url("http://HOST:PORT", "http", "https")


def _endpoint(text: str) -> str:
    _http_url(text)
    parts = urlsplit(text)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("write scheme, host and port alone, such as http://HOST:PORT")
    return text


_any_valkey_url = _url("redis://HOST:PORT/0", "redis", "rediss", "unix")


def _valkey_url(text: str) -> str:
    _any_valkey_url(text)
    if "ssl_" in urlsplit(text).query:
        raise ValueError("certificates are not named in it; set VALKEY_SSL_CA_FILE and so on")
    return text


def _unended(text: str) -> str:
    if text.endswith("/"):
        raise ValueError("write it without a slash at the end")
    return text


def _readable_file(path: Path) -> Path:
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise ValueError("there is no file with this name that can be read")
    return path


def _readable_folder(path: Path) -> Path:
    if not (path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
        raise ValueError("there is no folder with this name that can be read")
    return path


def _writable_folder(path: Path) -> Path:
    """Accept a folder that can be written to, or that can be made."""
    there = next((each for each in (path, *path.absolute().parents) if each.exists()), path)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise ValueError("this folder cannot be made, or nothing can be written to it")
    return path


def _certificates(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(_readable_file(path)))
    except ssl.SSLError:
        raise ValueError("this file holds no certificates; PEM is needed") from None
    return path


def _file_or_url(text: str) -> str:
    if text.startswith(("http:", "https:")):
        return _http_url(text)
    _readable_file(Path(text))
    return text


def _duration(value: Any) -> Any:
    """Read a duration of ISO 8601; a bare number, which pydantic takes for days, is refused."""
    if not isinstance(value, str):
        return value
    try:
        if not value.startswith("P"):
            raise ValueError("not ISO 8601")
        return TypeAdapter(timedelta).validate_python(value)
    except ValueError:
        raise ValueError("write a duration such as PT30S, PT5M or PT1H") from None


Text = Annotated[str, AfterValidator(_filled)]
SecretText = Annotated[SecretStr, AfterValidator(_hidden(_filled))]
Names = Annotated[str, AfterValidator(_names)]
Brokers = Annotated[str, AfterValidator(_brokers)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PublicUrl = Annotated[HttpUrl, AfterValidator(_unended)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
FileOrUrl = Annotated[Text, AfterValidator(_file_or_url)]
PostgresUrl = Annotated[
    SecretStr, AfterValidator(_hidden(_url("postgresql://USER@HOST:PORT/NAME", "postgresql", "postgres")))
]
ValkeyUrl = Annotated[SecretStr, AfterValidator(_hidden(_valkey_url))]
ReadableFile = Annotated[Path, AfterValidator(_readable_file)]
ReadableFolder = Annotated[Path, AfterValidator(_readable_folder)]
WritableFolder = Annotated[Path, AfterValidator(_writable_folder)]
CertificatesFile = Annotated[Path, AfterValidator(_certificates)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
