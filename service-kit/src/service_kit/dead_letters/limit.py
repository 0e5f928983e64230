"""When dead letters mean a bad release, and not a bad sender: then the consumer stops.

What counts are senders, told apart by the record's key. Whoever sends a million broken records is one of
them, so nobody ends a consumer alone; a release that can read nobody's records is stopped after a few. How
many records of one sender go to the dead letters is not bounded: none of them is lost. Where a handler has
shown that a record itself is at fault (`PoisonRecord.others_pass`), it does not count: of such poison there
can be any number, from any number of senders.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from service_kit.errors import DeadLetterLimitExceeded
from service_kit.kafka.records import Record

Sender = bytes | None


class DeadLetterLimit:
    """Exceeded when the last records of `senders` are dead letters, and those of more than `ratio` of all.

    All are the `window` senders that were heard of last; a sender counts by its last record. `recall` adds
    those of whom another process, or this one before its restart, knew.
    """

    def __init__(self, *, senders: int = 10, ratio: float = 0.5, window: int = 100) -> None:
        if not (1 < senders <= window and 0 < ratio <= 1):
            raise ValueError(f"a dead letter limit of {senders=} {ratio=} {window=} makes no sense")
        self._senders = senders
        self._ratio = ratio
        self._window = window
        # Whether the last record of each sender is a dead letter; the sender heard of last comes last.
        self._is_dead: OrderedDict[Sender, bool] = OrderedDict()

    def handled(self, records: Sequence[Record]) -> None:
        """Note records that were handled, in order."""
        for record in records[-self._window :]:
            self._note(record.key, is_dead=False)

    def check(self, record: Record) -> None:
        """Ask whether a dead letter of the record's sender is allowed.

        Raises:
            DeadLetterLimitExceeded: this sender would be one too many.
        """
        others = [is_dead for sender, is_dead in self._is_dead.items() if sender != record.key]
        seen, dead = min(len(others) + 1, self._window), sum(others) + 1
        if dead >= self._senders and dead > self._ratio * seen:
            raise DeadLetterLimitExceeded(
                f"the last records of {dead} of {seen} senders are poison; the last is {record}, which is "
                "not done: mend the release or the producer, then start again"
            )

    def poisoned(self, record: Record) -> None:
        """Note a record that was moved to the dead letters."""
        self._note(record.key, is_dead=True)

    def recall(self, senders: Iterable[Sender]) -> None:
        """Note senders of earlier dead letters, unless something newer is known or there is no room."""
        for sender in senders:
            if len(self._is_dead) < self._window and sender not in self._is_dead:
                self._is_dead[sender] = True
                self._is_dead.move_to_end(sender, last=False)

    def _note(self, sender: Sender, *, is_dead: bool) -> None:
        self._is_dead[sender] = is_dead
        self._is_dead.move_to_end(sender)
        if len(self._is_dead) > self._window:
            self._is_dead.popitem(last=False)
