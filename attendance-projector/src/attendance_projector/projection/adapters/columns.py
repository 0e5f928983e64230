"""Rows as columns: a statement takes what belongs together as arrays, side by side."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from attendance_projector.projection.periods.stored import LockedSpan
from attendance_projector.projection.stored import PersonDates, PersonInstants


def side_by_side(rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """Turn rows into columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def names_of(row_type: type) -> tuple[str, ...]:
    """Return the columns of a dataclass that is a row."""
    return tuple(each.name for each in fields(row_type))


def as_row(row_type: type) -> Callable[[Any], tuple[object, ...]]:
    """Return what makes rows of a dataclass of flat values: `astuple` would copy each value in depth."""
    return attrgetter(*names_of(row_type))


def spans_in_columns(spans: Sequence[PersonDates | LockedSpan]) -> list[list[object]]:
    """Return spans of dates as columns: organisations, people, first and last dates."""
    return side_by_side((*span.person, span.first_on, span.last_on) for span in spans)


def instants_in_columns(spans: Sequence[PersonInstants]) -> list[list[object]]:
    """Return spans of instants as columns: organisations, people, first and last instants."""
    return side_by_side((*span.person, span.first_at, span.last_at) for span in spans)
