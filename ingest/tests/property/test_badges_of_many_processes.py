"""Several processes give badges at once, over one log that each of them reads at its own pace."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from attendance_schemas.events import Authority, Event, PersonRecorded, SiteRecorded
from attendance_schemas.topics import DIRECTORY
from ingest.directory.record_directory import DirectoryDesk, record_document
from ingest.domain.actor import Actor
from ingest.domain.directory import DirectoryView, Write
from ingest.domain.directory_documents import KINDS, PersonDocument
from ingest.errors import BadgeTaken, InvalidRecord
from service_kit.errors import TransientFailure

HR = Actor("hr-1", "acme", frozenset({"hr"}))
PEOPLE, BADGES, PROCESSES = ("p-1", "p-2", "p-3"), ("B-1", "B-2"), 3
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SITE = SiteRecorded(
    event_id=UUID(int=0),
    occurred_at=NOW,
    recorded_at=NOW,
    org_id="acme",
    site_id="pune",
    name="Pune",
    time_zone="Asia/Kolkata",
)
Wish = tuple[int, str, str | None]


@dataclass
class Process:
    """A Directory over a shared log: what others append is seen when this process reads on."""

    log: list[Write]
    chance: Random
    view: DirectoryView = field(default_factory=DirectoryView)
    read_count: int = 0
    overruled: set[int] = field(default_factory=set)

    async def record(self, events: Sequence[Event]) -> Sequence[Event]:
        writes = [self.view.write_of(event) for event in events]
        own = []
        for write in writes:
            await self._others()
            own.append(len(self.log))
            self.log.append(write)
        await self._others()
        self.read(self.chance.choice((len(self.log), max((each + 1 for each in own), default=0))))
        return [event for event, offset in zip(events, own, strict=True) if offset in self.overruled]

    async def take_back(self, event: Event, authority: Authority) -> bool:
        raise AssertionError(f"nobody takes a record back here: {event} {authority}")

    def repair(self) -> bool:
        repairs = self.view.repairs()
        self.log.extend(repairs)
        return bool(repairs)

    def read(self, up_to: int) -> None:
        for offset in range(self.read_count, up_to):
            key, event, ended_by, version = self.log[offset]
            if not self.view.apply(key, event, version=version, ended_by=ended_by):
                self.overruled.add(offset)
        self.read_count = max(self.read_count, up_to)

    async def _others(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)


async def wish(desk: DirectoryDesk, person_id: str, badge: str | None) -> Event | None:
    """Return what was recorded, None when it was refused."""
    document = PersonDocument(home_site_id="pune", display_name=person_id, badge=badge)
    try:
        return await record_document(KINDS["persons"], person_id, document, HR, desk)
    except (InvalidRecord, BadgeTaken, TransientFailure):
        return None


async def play(wishes: Sequence[Wish], chance: Random) -> tuple[list[Process], list[Event | None]]:
    log = [Write(DIRECTORY.key_of(SITE).decode(), SITE, None, 1)]
    ids = iter(range(1, 10_000))
    processes = [Process(log, chance) for _ in range(PROCESSES)]
    desks = [DirectoryDesk(each, lambda: NOW, new_id=lambda: UUID(int=next(ids))) for each in processes]
    for process in processes:
        process.read(len(log))
    answers = await asyncio.gather(*(wish(desks[number], *rest) for number, *rest in wishes))
    settle(processes)
    return processes, answers


def settle(processes: Sequence[Process]) -> None:
    """Let everybody read on and write once more what counts, until nobody has anything to write."""
    log = processes[0].log
    most = 2 * len(log) + 20
    while True:
        for process in processes:
            process.read(len(log))
        if not any([process.repair() for process in processes]):
            return
        assert len(log) < most, "they repair for ever"


def holders(view: DirectoryView) -> dict[str, str]:
    found = {badge: view.person_with_badge("acme", badge) for badge in BADGES}
    return {badge: person.person_id for badge, person in found.items() if person is not None}


@given(
    st.lists(
        st.tuples(
            st.integers(0, PROCESSES - 1), st.sampled_from(PEOPLE), st.sampled_from((None, *BADGES, *BADGES))
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_every_process_tells_truly_who_holds_a_badge(wishes: list[Wish], chance: Random) -> None:
    processes, answers = asyncio.run(play(wishes, chance))
    view = processes[0].view
    held = holders(view)
    assert [holders(process.view) for process in processes] == [held] * PROCESSES

    # Nobody's record is left with the badge of somebody else.
    people = [each for each in view.records.values() if isinstance(each, PersonRecorded)]
    assert sorted((each.badge, each.person_id) for each in people if each.badge) == sorted(held.items())

    # A person who was told to have a badge has it, unless the person was recorded again.
    for answer in answers:
        if isinstance(answer, PersonRecorded) and answer.badge and view.is_in_force(answer):
            assert held[answer.badge] == answer.person_id

    # A process that starts later and reads what compaction left decides the same.
    late = DirectoryView()
    for key, event, ended_by, version in {write.key: write for write in processes[0].log}.values():
        late.apply(key, event, version=version, ended_by=ended_by)
    assert holders(late) == held
    assert late.records == view.records
