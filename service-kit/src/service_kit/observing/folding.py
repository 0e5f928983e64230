"""Lines that say again and again what was just said: one a minute, with how many there were.

Clients of an absent server complain at every try, and a service tries often: a minute without Kafka was
16,800 lines. Two sorts of lines are folded, so that no fact gets lost: warnings and errors of libraries, by
their text without its figures, and lines of the services that name a `dependency`, which say that something
waits for it. What else a service says is written as it is.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_EVERY = timedelta(minutes=1)
# A library may put anything into its texts; the kinds of an outage are a few dozen.
_MOST_KINDS = 1_000
_KIND_CHARACTERS = 100
_FIGURES = re.compile(r"0x[0-9a-f]+|\d+")

_Kind = tuple[str, str, str]


@dataclass(slots=True)
class _Said:
    at: float
    repeated: int = 0


class FoldRepeats(logging.Filter):
    """For the handler of a process; it adds `repeated` to the next line of a kind that it held back."""

    def __init__(self, *, every: timedelta = _EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every = every.total_seconds()
        self._clock = clock
        self._said: dict[_Kind, _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is written."""
        kind = _kind_of(record)
        if kind is None:
            return True
        now, before = self._clock(), self._said.get(kind)
        if before is not None and now - before.at < self._every:
            before.repeated += 1
            return False
        if before is not None and before.repeated:
            _add(record, before.repeated)
        self._forget(now)
        self._said[kind] = _Said(now)
        return True

    def _forget(self, now: float) -> None:
        if len(self._said) >= _MOST_KINDS:
            self._said = {kind: said for kind, said in self._said.items() if now - said.at < self._every}
        if len(self._said) >= _MOST_KINDS:
            self._said.clear()


def _kind_of(record: logging.LogRecord) -> _Kind | None:
    if isinstance(record.msg, dict):  # of a service: structlog's fields
        fields: dict[str, Any] = record.msg
        if "dependency" not in fields:
            return None
        return record.name, str(fields.get("event")), str(fields["dependency"])
    if record.levelno < logging.WARNING:
        return None
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
    return record.name, _FIGURES.sub("#", str(record.msg))[:_KIND_CHARACTERS], error


def _add(record: logging.LogRecord, repeated: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["repeated"] = repeated
    else:
        record.repeated = repeated
