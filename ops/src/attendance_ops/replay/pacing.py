"""How fast a replay may go: at a rate, and no further ahead of its reader than allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

ASK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """rate: records a second, at most. most_behind: records by which the target's reader may be behind."""

    rate: float
    most_behind: int


@dataclass(slots=True)
class Pacing:
    """Says for how long to wait, and once why. sent: records since it began."""

    pace: Pace
    reader: str
    notice: Callable[[str], None]
    sent: int = 0
    has_told: bool = False
    began_at: float = field(default_factory=time.monotonic)

    def early(self, behind: int) -> float:
        """Return the seconds until more may be sent, or until to ask again; 0: now.

        behind: records that the reader has not done.
        """
        if behind <= self.pace.most_behind:
            return max(0.0, self.began_at + self.sent / self.pace.rate - time.monotonic())
        if not self.has_told:
            self.notice(f"waiting now and then: {self.reader} is {behind:,} behind")
            self.has_told = True
        return ASK_AGAIN_SECONDS
