"""Opaque cursors: the key of the last row of a page, bound to the filters of its query.

A cursor carries a checksum over its key and the filters, so that a changed one, or one used with other
filters, is refused instead of giving a wrong page. It grants nothing: scope and range are applied to every
page anew, so a forged cursor only moves within what its holder may see. That is why no secret is needed.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

from query_api.errors import InvalidCursor
from service_kit.fields import iso_date, iso_instant, near_date, near_instant

_CHECKSUM_BYTES = 12
_LONGEST_CURSOR = 2048
_VERSION = 1

KeyValue = date | datetime | UUID | str
Key = TypeVar("Key")


def encode_cursor(key: tuple[KeyValue, ...], filters: Mapping[str, object]) -> str:
    """Return the cursor after the row of this key, for the query with these filters."""
    payload = json.dumps([value if isinstance(value, str) else _text(value) for value in key]).encode()
    return _opaque(_checksum(payload, filters) + payload)


def decode_cursor(cursor: str, filters: Mapping[str, object], parse: Callable[..., Key]) -> Key:
    """Return the key inside a cursor, as `parse` makes it of its texts.

    Raises InvalidCursor when it is not of the query with these filters.
    """
    refused = InvalidCursor("the cursor is not one of this query; start again without `cursor`")
    if len(cursor) > _LONGEST_CURSOR:
        raise refused
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise refused from error
    checksum, payload = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
    if checksum != _checksum(payload, filters) or cursor != _opaque(content):
        raise refused
    try:
        texts = json.loads(payload)
        if not all(isinstance(text, str) for text in texts):
            raise refused
        return parse(*map(_storable, texts))
    except (ValueError, TypeError, RecursionError) as error:
        raise refused from error


def near_day(text: str) -> date:
    """Return a date of a key. Raises ValueError for one beyond the calendar of queries."""
    return near_date(iso_date(text))


def near_moment(text: str) -> datetime:
    """Return an instant of a key in UTC. Raises ValueError for one beyond the calendar of queries."""
    return near_instant(iso_instant(text))


def _storable(text: str) -> str:
    """Return a text that PostgreSQL can compare. Raises ValueError for NUL and for half a character."""
    if "\0" in text:
        raise ValueError("holds NUL")
    text.encode()
    return text


def _opaque(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _checksum(payload: bytes, filters: Mapping[str, object]) -> bytes:
    canonical = json.dumps({name: str(value) for name, value in filters.items()}, sort_keys=True).encode()
    return hashlib.sha256(b"%d\n%s\n%s" % (_VERSION, canonical, payload)).digest()[:_CHECKSUM_BYTES]


def _text(value: date | datetime | UUID) -> str:
    return str(value) if isinstance(value, UUID) else value.isoformat()
