"""The work that the delivery loop has in hand for one partition, and what its failures say."""

from __future__ import annotations

from dataclasses import dataclass, field

from service_kit.backoff import Backoff
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record

# Tries of one record that fails while others pass, before it counts as poison.
ATTEMPTS_ALONE = 5


@dataclass(slots=True)
class InHand:
    """Records of one partition that are not done, in offset order.

    A failure says "outage" as long as nothing else passes. `alone` counts the failures of the first record in
    a row between which others passed; a failure without such evidence starts the count again.
    """

    records: list[Record]
    generation: int
    backoff: Backoff
    alone_limit: int = ATTEMPTS_ALONE
    due: float = 0.0
    one_by_one: bool = False
    ahead: set[int] = field(default_factory=set)
    poison: dict[int, PoisonRecord] = field(default_factory=dict)
    others_pass: bool = False
    failures: int = 0
    alone: int = 0
    _failing: int | None = None
    _waits: int = 0

    def before_poison(self) -> list[Record]:
        """Give the records that come before the first one known to be poison."""
        for index, record in enumerate(self.records):
            if record.offset in self.poison:
                return self.records[:index]
        return list(self.records)

    def failed(self, record: Record) -> None:
        """Note a failure of the first record; `others_pass` says what was seen since its last one."""
        if self._failing != record.offset:
            self._failing, self.failures, self.alone = record.offset, 0, 0
        elif not self.others_pass:
            self.alone = 0
        self.others_pass = False
        self.failures += 1
        self.alone += 1

    @property
    def fails_alone(self) -> bool:
        """Whether the first record has failed often enough while others passed."""
        return self.alone >= self.alone_limit

    def failures_of(self, record: Record) -> int:
        """Count the failures of a record in a row."""
        return self.failures if record.offset == self._failing else 0

    def postpone(self, now: float) -> None:
        """Wait before the next try; after some tries together, one by one finds out more for less work."""
        self._waits += 1
        if self._waits >= self.alone_limit:
            self.one_by_one = True
        self.due = now + self.backoff.next_delay().total_seconds()

    def finish_first(self, count: int) -> None:
        """Take the first records out; none of them was handled ahead or is poison."""
        del self.records[:count]
        self.backoff.reset()

    def finish(self, record: Record) -> None:
        """Take the first record out."""
        self.records.remove(record)
        self.ahead.discard(record.offset)
        self.poison.pop(record.offset, None)
        self.backoff.reset()
