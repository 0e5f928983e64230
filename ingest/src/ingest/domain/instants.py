"""Instants as people and devices write them: ISO 8601 with an offset."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator

EARLIEST_YEAR, LATEST_YEAR = 1970, 9990


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("an instant is text like 2026-03-02T08:00:00+05:30")  # noqa: TRY004 - pydantic's protocol
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no ISO 8601 instant, like 2026-03-02T08:00:00+05:30") from None
    if parsed.tzinfo is None:
        raise ValueError(f"{value!r} has no offset; write Z or an offset like +05:30")
    if not EARLIEST_YEAR <= parsed.year <= LATEST_YEAR:
        raise ValueError(f"{value!r} is outside the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return parsed.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=str)]
