"""Whose turn it is when several kinds of work wait for one model.

A person at a kiosk waits for a live capture, hr for an enrolment, and a kiosk that was offline has a backlog.
They go before each other in this order. But a kind that waits and has lately got less than its share of the
turns, by more than its patience, goes first; the share rises with the age of what waits longest. What a kind
got while nobody else wanted it counts, so that live captures are held up only as far as a share needs it. An
erasure needs no model, and so no turn.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of work, in the order in which they go before each other."""

    LIVE = "live"
    ENROLMENT = "enrolment"
    BACKLOG = "backlog"
    ERASURE = "erasure"


CAPTURES = (Kind.LIVE, Kind.BACKLOG)


@dataclass(frozen=True, slots=True)
class Work:
    """What a record asks for, and since when (UTC) it lies in the log."""

    kind: Kind
    since: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """The part of all turns that a kind gets while it waits: `least`, rising evenly to `most`.

    patience: how many captures it may lack of its share before it goes first.
    """

    least: float
    most: float
    most_after: timedelta
    patience: float

    def at(self, age: timedelta) -> float:
        """Return the share of a kind whose oldest work has waited for so long."""
        part = min(max(age / self.most_after, 0.0), 1.0)
        return self.least + part * (self.most - self.least)


# Live keeps at least 40 %. Half a day is a shift: a backlog that is older holds up what people look at.
# Somebody at hr's desk waits for an enrolment for minutes, not for hours. At a live load of 90 %, patience of
# the backlog takes what live captures wait (99th percentile) from 1.7 s to 0.4 s, and costs the backlog
# nothing: it gets as many turns, idle ones (`test_simulated_load.py`).
SHARES: Mapping[Kind, Share] = {
    Kind.BACKLOG: Share(0.10, 0.40, timedelta(hours=12), patience=128.0),
    Kind.ENROLMENT: Share(0.10, 0.20, timedelta(minutes=15), patience=16.0),
}
# What a kind got beyond its share is held against it up to so many captures: some seconds of one core.
MEMORY = 256.0
# What a kind lacks beyond its patience is made up for by so many captures, lest it fill a batch at once.
_MADE_UP = 4.0


class FairTurns:
    """Gives turns to kinds of work. Pure: the caller says who waits, and for how long the oldest does.

    A kind that waits is passed over for (`memory` + its patience) / its share captures at most.
    """

    def __init__(self, shares: Mapping[Kind, Share] = SHARES, *, memory: float = MEMORY) -> None:
        self._shares = shares
        self._memory = memory
        # Captures lacking beyond the patience. Negative: it is not yet at its end, or the kind got in excess.
        self._due = {kind: -share.patience for kind, share in shares.items()}

    def next(self, waiting: Collection[Kind], among: Collection[Kind] = tuple(Kind)) -> Kind:
        """Return whose turn it is among the kinds that wait; one of them must."""
        asking = [kind for kind in Kind if kind in waiting and kind in among]
        first = max(asking, key=self._due_of)
        return first if self._due_of(first) > 0 else asking[0]

    def took(self, kind: Kind, waiting: Mapping[Kind, timedelta], cost: float = 1.0) -> None:
        """Note that a kind that waited took a turn. cost: in captures."""
        for each, share in self._shares.items():
            due = self._due[each] + share.at(waiting.get(each, timedelta(0))) * cost
            if each is kind:
                due -= cost
            most = _MADE_UP if each in waiting else -share.patience
            self._due[each] = max(min(due, most), -share.patience - self._memory)

    def _due_of(self, kind: Kind) -> float:
        return self._due.get(kind, 0.0)
