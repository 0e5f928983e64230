"""Fields that people and programs write in requests: text, local dates and instants, each in one spelling.

Every API reads them with these types, and tokens' claims are held to the same text. Text is what can be
stored, shown and read back: no control characters, which PostgreSQL and terminals choke on, no characters
that turn the order of a line around, and something to see. Dates and instants are those of ISO 8601 that
everybody writes, in ASCII digits; nothing is guessed from a number, a week or a time without an offset.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

# What happened before is in the archives, and nobody plans for what comes after.
EARLIEST_ON, LATEST_ON = date(2000, 1, 1), date(2099, 12, 31)
EARLIEST_AT, LATEST_AT = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# Cc: controls, Cs: halves of a character, Zl and Zp: ends of lines and paragraphs.
UNREADABLE_CATEGORIES = frozenset(("Cc", "Cs", "Zl", "Zp"))
# Those of Unicode Standard Annex 9, 2, which embed, override and isolate.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters, numbers, punctuation and symbols are seen, but for these fillers and the empty braille cell.
SEEN = frozenset("LNPS")
BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
QUOTED = 40
# What pydantic says in words of its own, or by a pattern that its readers cannot read.
MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here; check its spelling, or leave it out",
    "string_pattern_mismatch": "is not written as it has to be; the description of the API says how",
    "string_unicode": "holds half a character; remove it",
    "uuid_parsing": "is no UUID; write it like 019cad1e-5a10-7c3e-9f5a-0d4a6e1b2c3d",
    "model_type": "is no object with fields",
    "model_attributes_type": "is no object with fields",
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def readable(value: str) -> str:
    """Return text that can be stored, shown and read. Raises ValueError for other text."""
    for character in value:
        if unicodedata.category(character) in UNREADABLE_CATEGORIES or character in TURNING:
            raise ValueError(
                f"holds the character U+{ord(character):04X}, which is not to be read; remove it"
            )
    if not any(unicodedata.category(each)[0] in SEEN and each not in BLANK for each in value):
        raise ValueError("holds nothing that can be seen")
    return value


def iso_date(value: object) -> date:
    """Return a date written YYYY-MM-DD. Raises ValueError for everything else."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value} is no date: {error}") from None
    raise ValueError(f"{quoted(value)} is no date; write it as YYYY-MM-DD")


def near_date(on: date) -> date:
    """Return a date of living memory or near plans. Raises ValueError for others."""
    if not EARLIEST_ON <= on <= LATEST_ON:
        raise ValueError(f"{on} is not between {EARLIEST_ON} and {LATEST_ON}")
    return on


def iso_instant(value: object) -> datetime:
    """Return an instant written like 2026-03-02T08:00:00+05:30, in UTC. Raises ValueError for others."""
    example = "write it like 2026-03-02T08:00:00+05:30"
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError(f"{quoted(value)} is no instant with an offset; {example}")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value} is no instant: {error}; {example}") from None


def near_instant(at: datetime) -> datetime:
    """Return an instant of living memory or near plans. Raises ValueError for others."""
    if not EARLIEST_AT <= at <= LATEST_AT:
        raise ValueError(
            f"{at.isoformat()} is not between {EARLIEST_AT.isoformat()} and {LATEST_AT.isoformat()}"
        )
    return at


def message_of(error: Mapping[str, Any]) -> str:
    """Return what to say of a field that does not fit, for an error as pydantic reports it."""
    told = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return MESSAGES.get(error["type"], told)


def quoted(value: object) -> str:
    """Return how a message shows what somebody wrote: a short beginning, escaped."""
    if not isinstance(value, str):
        return f"a value of type {type(value).__name__}"
    return repr(value if len(value) <= QUOTED else value[:QUOTED] + "...")


Readable = AfterValidator(readable)
LocalDate = Annotated[date, BeforeValidator(iso_date, json_schema_input_type=str)]
NearDate = Annotated[LocalDate, AfterValidator(near_date)]
Instant = Annotated[datetime, BeforeValidator(iso_instant, json_schema_input_type=str)]
NearInstant = Annotated[Instant, AfterValidator(near_instant)]
