"""Take back what the directory does not say any more, for tables that were not followed for a long time.

A compacted topic keeps a tombstone for a while (`delete.retention.ms`) and then has nothing of its key.
Tables that nobody moved for longer than that, since the projector was away or a backup is old, would keep for
ever what was taken back meanwhile, and a rebuild would not find it. So they are compared with the topic:

1. which keys do the tables have;
2. which of them has the topic, up to its end at this moment;
3. apply a tombstone for each of the others, unless another projector has read past that end by then: what is
   gone may have been recorded again, and all is compared again.

Only a topic that is the one that was consumed, and that lacks nothing, says anything about the tables.

A start is not the only time to look. A machine that was suspended goes on as if nothing was, and one that
starts with a clock of long ago finds its tables up to date. So time never leaps in tables that nobody
followed: `NoLeap` ends the delivery before the tick that would, and they are compared first.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from attendance_projector.errors import TimeLeaps
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position
from service_kit.observing.logs import get_logger

KEYS_AT_ONCE = 500
# So many things, and most of all there are: rather the topic was lost, and somebody accepted that.
MANY = 20

log = get_logger(__name__)


class DirectoryTables(Protocol):
    """What the tables say of the directory."""

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""

    async def directory_keys(self) -> set[bytes]:
        """Return the record keys of everything that the directory says."""


class TopicKeys(NamedTuple):
    """The keys that a topic has, and up to where it was read, by partition."""

    keys: Collection[bytes]
    ends: Collection[Position]


class NoLeap:
    """Keeps time from coming far at once, unless the directory was compared for that instant."""

    def __init__(self, as_of: Callable[[], Awaitable[datetime | None]], tombstones_kept: timedelta) -> None:
        self._as_of = as_of
        self._most = tombstones_kept / 2
        self._compared_at: datetime | None = None

    def compared(self, at: datetime) -> None:
        """Note that the directory was compared, or need not be, as of an instant."""
        self._compared_at = at

    async def check(self, ticks: Collection[datetime]) -> None:
        """Raise TimeLeaps when one of these instants, which are to come now, is too far away."""
        if not ticks or (as_of := await self._as_of()) is None:
            return
        followed = as_of if self._compared_at is None else max(as_of, self._compared_at)
        if max(ticks) - followed >= self._most:
            raise TimeLeaps(max(ticks), f"time is to come from {as_of} to {max(ticks)} at once")


# Applies tombstones while no position is past those ends; says whether that was so.
TakeBack = Callable[[Collection[bytes], Collection[Position]], Awaitable[bool]]


async def take_back_missed(
    tables: DirectoryTables,
    read_keys: Callable[[], Awaitable[TopicKeys | None]],
    take_back: TakeBack,
    *,
    tombstones_kept: timedelta,
    now: datetime,
) -> int:
    """Take back what the topic does not have, where tombstones can have been missed; return how many things.

    read_keys: asked only then; None: the topic says nothing, as when nothing of it was consumed.
    Time that came to the tables in the last half of `tombstones_kept` shows that they were followed. Raises
    TransientFailure: call again.
    """
    as_of = await tables.as_of()
    if as_of is not None and now - as_of < tombstones_kept / 2:
        return 0
    known = await tables.directory_keys()
    if (found := await read_keys()) is None:
        return 0
    gone = sorted(known.difference(found.keys))
    if len(gone) > MANY and len(gone) > len(known) / 2:
        log.error(
            "the topic of the directory lacks most of it; nothing is taken back",
            lacks=len(gone),
            of=len(known),
        )
        return 0
    for part in _parts(gone):
        if not await take_back(part, found.ends):
            raise TransientFailure(
                "read-model", "another projector reads the directory on", is_contention=True
            )
    if gone:
        log.warning("taken back what the directory does not say any more", count=len(gone))
    return len(gone)


def _parts(keys: list[bytes]) -> Iterable[list[bytes]]:
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))
