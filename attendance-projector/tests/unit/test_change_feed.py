"""What the relay and the keeper of presence do when things fail, without servers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from attendance_projector.feed.keep_presence import keep_presence, sorted_out
from attendance_projector.feed.metrics import OutboxMetrics, PresenceMetrics
from attendance_projector.feed.ports import Backlog, FoundOpen, OutboxRow
from attendance_projector.feed.relay_outbox import relay_outbox
from attendance_projector.projection.stored import PersonKey
from attendance_schemas.events import AttendanceDayChanged, AttendanceStatus, DayChange, DayState
from attendance_schemas.presence import CACHED_FOR, OpenDay
from service_kit.errors import PoisonRecord, TransientFailure

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ON = date(2026, 3, 2)


def row(number: int) -> OutboxRow:
    return OutboxRow(number, "attendance.changes", "p", "AttendanceDayChanged", "{}")


class RowsInMemory:
    """An outbox; it ends the relay once nothing is left."""

    def __init__(self, rows: Sequence[OutboxRow], stopping: asyncio.Event) -> None:
        self.rows = list(rows)
        self.refused: dict[int, str] = {}
        self.connections = 0
        self.fails_to_remove = 0
        self._stopping = stopping

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["RowsInMemory"]:
        self.connections += 1
        yield self

    async def lead(self) -> bool:
        return True

    async def first_rows(self, limit: int) -> Sequence[OutboxRow]:
        waiting = [each for each in self.rows if each.id not in self.refused][:limit]
        if not waiting:
            self._stopping.set()
        return waiting

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        if self.fails_to_remove:
            self.fails_to_remove -= 1
            raise TransientFailure("postgresql", "connection lost")
        self.rows = [each for each in self.rows if each not in rows]

    async def refuse(self, refused: OutboxRow, why: str) -> None:
        self.refused[refused.id] = why

    async def backlog(self) -> Backlog:
        return Backlog(len(self.rows), timedelta(0))

    async def news(self, timeout: timedelta) -> None:
        await asyncio.Event().wait()


class Published:
    """A publisher that keeps what it got; some rows are poison, and it is away for some calls."""

    def __init__(self, poison: frozenset[int] = frozenset(), away: int = 0) -> None:
        self.ids: list[int] = []
        self.opened_count = 0
        self._poison = poison
        self._away = away

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Published"]:
        self.opened_count += 1
        yield self

    async def publish(self, rows: Sequence[OutboxRow]) -> None:
        if self._away:
            self._away -= 1
            raise TransientFailure("kafka", "away")
        if any(each.id in self._poison for each in rows):
            raise PoisonRecord("unfit-for-schema", "never")
        self.ids += [each.id for each in rows]


async def relayed(
    rows: Sequence[OutboxRow], publisher: Published, *, fails_to_remove: int = 0
) -> tuple[RowsInMemory, OutboxMetrics]:
    stopping = asyncio.Event()
    queue, metrics = RowsInMemory(rows, stopping), OutboxMetrics(CollectorRegistry())
    queue.fails_to_remove = fails_to_remove
    async with asyncio.timeout(5):
        await relay_outbox(queue.opened, publisher.opened, metrics, stopping)
    return queue, metrics


async def test_rows_are_published_in_order_and_removed() -> None:
    publisher = Published()
    queue, metrics = await relayed([row(number) for number in range(1200)], publisher)
    assert (publisher.ids, queue.rows) == (list(range(1200)), [])
    assert metrics.published._value.get() == 1200
    assert metrics.relaying._value.get() == 0  # it has ended


async def test_poison_is_refused_alone_and_the_others_keep_their_order() -> None:
    publisher = Published(poison=frozenset({2, 5}))
    queue, metrics = await relayed([row(number) for number in range(8)], publisher)
    assert publisher.ids == [0, 1, 3, 4, 6, 7]
    assert set(queue.refused) == {2, 5}
    assert metrics.refused._value.get() == 2


async def test_an_outage_of_kafka_keeps_the_lead_and_one_of_the_database_ends_it() -> None:
    publisher = Published(away=2)
    queue, _ = await relayed([row(1)], publisher)
    assert (publisher.ids, queue.connections) == ([1], 1)
    publisher = Published()
    queue, _ = await relayed([row(1)], publisher, fails_to_remove=1)
    # Another lead, another producer; the same row again.
    assert (publisher.ids, queue.connections, publisher.opened_count) == ([1, 1], 2, 2)


def changed(
    person: str, revision: int, minutes_ago: float | None, shift: str = "day"
) -> AttendanceDayChanged:
    """Return a change of a day that is open since then; None: closed."""
    state = DayState(
        site_id="site",
        status=AttendanceStatus.INCOMPLETE,
        worked_minutes=0,
        break_minutes=0,
        overtime_minutes=0,
        late=False,
        late_minutes=0,
        early=False,
        early_minutes=0,
        punch_count=1,
        open_since=None if minutes_ago is None else NOW - timedelta(minutes=minutes_ago),
    )
    return AttendanceDayChanged(
        event_id=UUID(int=revision),
        occurred_at=NOW,
        recorded_at=NOW,
        org_id="org",
        person_id=person,
        attendance_on=ON,
        shift_id=shift,
        change=DayChange.UPDATED,
        revision=revision,
        day=state,
    )


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["day", "night"]), st.none() | st.integers(0, 2000))
    )
)
def test_the_last_change_of_each_day_counts(told: list[tuple[str, str, int | None]]) -> None:
    changes = [changed(person, number, ago, shift) for number, (person, shift, ago) in enumerate(told)]
    opened, closed = sorted_out(changes, NOW)
    last = {(person, shift): ago for person, shift, ago in told}
    assert {
        (day.person_id, day.shift_id): (NOW - day.open_since) / timedelta(minutes=1) for day in opened
    } == {day: ago for day, ago in last.items() if ago is not None and timedelta(minutes=ago) < CACHED_FOR}
    assert len(opened) + len(closed) == len(last)


class OpenDays:
    """A read model with these open days."""

    def __init__(self, found: FoundOpen) -> None:
        self._found = found

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["OpenDays"]:
        yield self

    async def lead(self) -> bool:
        return True

    async def open_days(self, since: datetime) -> FoundOpen:
        return self._found

    async def is_told(self) -> bool:
        return True


class Told:
    """A feed that holds these changes and then ends the keeper."""

    def __init__(self, batches: Sequence[Sequence[AttendanceDayChanged]], stopping: asyncio.Event) -> None:
        self._batches = list(batches)
        self._stopping = stopping

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Told"]:
        yield self

    async def take(self, timeout: timedelta) -> Sequence[AttendanceDayChanged]:
        if not self._batches:
            self._stopping.set()
            return []
        return self._batches.pop(0)

    async def take_all(self) -> Sequence[AttendanceDayChanged] | None:
        return []


class BoardInMemory:
    """The cache."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], datetime] = {}
        self.renewals = 0

    async def fill(self, days: Sequence[OpenDay]) -> None:
        self.open = {(day.person_id, day.shift_id): day.open_since for day in days}

    async def put(self, opened: Sequence[OpenDay], closed: Sequence[AttendanceDayChanged]) -> None:
        self.open |= {(day.person_id, day.shift_id): day.open_since for day in opened}
        for change in closed:
            self.open.pop((change.person_id, change.shift_id), None)

    async def renew(self) -> bool:
        self.renewals += 1
        return True


async def kept(found: FoundOpen, batches: Sequence[Sequence[AttendanceDayChanged]]) -> BoardInMemory:
    stopping, board = asyncio.Event(), BoardInMemory()
    metrics = PresenceMetrics(CollectorRegistry())
    async with asyncio.timeout(5):
        await keep_presence(
            OpenDays(found).opened,
            Told(batches, stopping).opened,
            board,
            metrics,
            stopping,
            now=lambda: NOW,
        )
    assert metrics.fills._value.get() == 1
    return board


async def test_what_the_tables_had_already_is_no_news() -> None:
    # The tables have revision 7, by which a has gone; 5 and 7 are published only now, and 5 twice.
    found = FoundOpen([], {PersonKey("org", "a"): 7})
    board = await kept(found, [[changed("a", 5, 60)], [changed("a", 5, 60), changed("a", 7, None)]])
    assert board.open == {}
    board = await kept(found, [[changed("a", 7, None), changed("a", 8, 30), changed("b", 6, 20)]])
    assert set(board.open) == {("a", "day"), ("b", "day")}


async def test_a_relay_that_repeats_changes_nothing() -> None:
    told = [changed("a", 1, 60), changed("a", 2, None)]
    board = await kept(FoundOpen([], {}), [told, told[:1]])
    assert board.open == {}
