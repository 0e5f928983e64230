"""Whose turn it is when several kinds of work wait for one model.

A person at a kiosk waits for a live capture; a kiosk that was offline has a backlog; hr waits for an
enrolment. Each kind that waits has a share of the turns, which rises with the age of what waits longest; what
the others leave is live's. A share that is not used goes to those who wait, and is not saved up. What a kind
took beyond its share it owes, also while it does not wait. An erasure needs no model, and so no turn.

Start-time fair queuing: a clock of shares, on which a turn lasts its cost divided by its kind's share. The
next turn is of the kind that may begin earliest. Source: Goyal, Vin, Cheng, "Start-time fair queuing", 1996.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of work; of two with the same claim, the first named goes first."""

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
    """The part of all turns that a kind gets while it waits: `least`, rising evenly to `most`."""

    least: float
    most: float
    most_after: timedelta

    def at(self, age: timedelta) -> float:
        """Return the share of a kind whose oldest work has waited for so long."""
        part = min(max(age / self.most_after, 0.0), 1.0)
        return self.least + part * (self.most - self.least)


# Live keeps at least 40 %. Half a day is a shift: a backlog that is older holds up what people look at.
# Somebody at hr's desk waits for an enrolment for minutes, not for hours.
SHARES: Mapping[Kind, Share] = {
    Kind.BACKLOG: Share(0.10, 0.40, timedelta(hours=12)),
    Kind.ENROLMENT: Share(0.10, 0.20, timedelta(minutes=15)),
}


class FairTurns:
    """Gives turns to kinds of work. Pure: the caller says who waits, and for how long the oldest does."""

    def __init__(self, shares: Mapping[Kind, Share] = SHARES) -> None:
        self._shares = shares
        self._clock = 0.0
        self._ends = dict.fromkeys(Kind, 0.0)

    def next(self, waiting: Collection[Kind], among: Collection[Kind] = tuple(Kind)) -> Kind:
        """Return whose turn it is among the kinds that wait; one of them must."""
        return min((kind for kind in Kind if kind in waiting and kind in among), key=self._begin)

    def took(self, kind: Kind, waiting: Mapping[Kind, timedelta], cost: float = 1.0) -> None:
        """Note that a kind that waited took a turn. cost: in captures."""
        begin = self._begin(kind)
        self._clock = min(map(self._begin, waiting))
        self._ends[kind] = begin + cost / self._share_of(kind, waiting)

    def _begin(self, kind: Kind) -> float:
        return max(self._ends[kind], self._clock)

    def _share_of(self, kind: Kind, waiting: Mapping[Kind, timedelta]) -> float:
        """Return the share of a kind; those of all that wait sum up to 1."""
        shares = {each: self._shares[each].at(age) for each, age in waiting.items() if each in self._shares}
        others = len(waiting) - len(shares)
        if not others:
            return shares[kind] / sum(shares.values())
        return shares[kind] if kind in shares else (1.0 - sum(shares.values())) / others
