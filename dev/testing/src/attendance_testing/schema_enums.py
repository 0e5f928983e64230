"""The enums of an Avro schema, wherever they lie in it."""

from collections.abc import Iterator
from typing import Any


def enums_of(schema: object) -> Iterator[dict[str, Any]]:
    """Yield each enum of a parsed schema."""
    if isinstance(schema, list):
        for part in schema:
            yield from enums_of(part)
    elif isinstance(schema, dict):
        if schema.get("type") == "enum":
            yield schema
        for part in schema.values():
            yield from enums_of(part)
