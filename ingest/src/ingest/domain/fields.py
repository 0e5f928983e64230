"""The fields of what ingest is sent, each checked for its form: ids, names, reasons, times, counts.

Text, dates and instants are those of service_kit.fields. Counts and flags are what JSON says they are: a
number in quotes, or a true that stands for 1, is a mistake of the sender. In a CSV file all cells are text,
so there they are read from digits and words.
"""

import re
from datetime import date, datetime, time
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from attendance_schemas.events import Weekday
from ingest.domain.identifiers import BADGE, BADGE_PATTERN, ID_PATTERN, IDENTIFIER
from service_kit.fields import LATEST_ON, Instant, LocalDate, Readable, quoted

CELLS = "cells"
"""The context of a validation whose values are cells of a CSV file."""
MINUTES_PER_DAY = 1440
QUARTER_TURNS = (0, 90, 180, 270)
# Of the oldest person at work somewhere.
EARLIEST_EMPLOYMENT_ON = date(1940, 1, 1)
EARLIEST_CLOCK_YEAR, LATEST_CLOCK_YEAR = 1970, 9990
LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:00)?")
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Part of the zone database, but no place.
NO_PLACES = frozenset(("localtime", "Factory"))


def _identifier(value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is no id; write at most 64 letters, digits, dots, dashes and underscores"
        )
    return value


def _badge(value: str) -> str:
    if not BADGE.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is no number of a badge; write 1 to 64 characters of ASCII, without a space at "
            "either end"
        )
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_PLACES


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(
            f"{quoted(name)} is no IANA time zone; use a name like Asia/Kolkata or Europe/Berlin"
        )
    return name


def _local_time(value: object) -> time:
    if isinstance(value, str) and LOCAL_TIME.fullmatch(value):
        return time.fromisoformat(value)
    raise ValueError(f"{quoted(value)} is no local time; write it as HH:MM, from 00:00 to 23:59")


def _employed(on: date) -> date:
    if not EARLIEST_EMPLOYMENT_ON <= on <= LATEST_ON:
        raise ValueError(f"{on} is not between {EARLIEST_EMPLOYMENT_ON} and {LATEST_ON}")
    return on


def _of_a_clock(at: datetime) -> datetime:
    """Let a clock be wrong, as after a flat battery, but not by more than dates can be counted with."""
    if not EARLIEST_CLOCK_YEAR <= at.year <= LATEST_CLOCK_YEAR:
        raise ValueError(f"the year {at.year} is outside {EARLIEST_CLOCK_YEAR} to {LATEST_CLOCK_YEAR}")
    return at


def _whole(value: object, info: ValidationInfo) -> object:
    if info.context != CELLS:
        return value
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value):
        return int(value)
    raise ValueError(f"{quoted(value)} is no whole number")


def _quarter_turn(degrees: int) -> int:
    if degrees not in QUARTER_TURNS:
        raise ValueError(f"{degrees} is not 0, 90, 180 or 270")
    return degrees


def _flag(value: object, info: ValidationInfo) -> object:
    if info.context != CELLS:
        return value
    if isinstance(value, str) and value.lower() in FLAGS:
        return FLAGS[value.lower()]
    raise ValueError(f"{quoted(value)} is neither true nor false")


def _distinct(days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    return tuple(day for day in Weekday if day in days)


def upper(value: object) -> object:
    """Return text in capitals, as the words of an enumeration are."""
    return value.upper() if isinstance(value, str) else value


Identifier = Annotated[
    str, AfterValidator(_identifier), WithJsonSchema({"type": "string", "pattern": ID_PATTERN})
]
Badge = Annotated[str, AfterValidator(_badge), WithJsonSchema({"type": "string", "pattern": BADGE_PATTERN})]
BootId = Annotated[str, StringConstraints(min_length=1, max_length=64), Readable]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Readable]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Readable]
Zone = Annotated[str, AfterValidator(_zone)]
Employed = Annotated[LocalDate, AfterValidator(_employed)]
ClockInstant = Annotated[Instant, AfterValidator(_of_a_clock)]
LocalTime = Annotated[time, BeforeValidator(_local_time, json_schema_input_type=str)]
Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag)]
Minutes = Annotated[Whole, Field(ge=0, le=MINUTES_PER_DAY)]
MinutesAboveZero = Annotated[Whole, Field(ge=1, le=MINUTES_PER_DAY)]
QuarterTurn = Annotated[
    Whole, AfterValidator(_quarter_turn), Field(json_schema_extra={"enum": QUARTER_TURNS})
]
Weekdays = Annotated[tuple[Annotated[Weekday, BeforeValidator(upper)], ...], AfterValidator(_distinct)]
