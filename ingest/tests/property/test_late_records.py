"""Records arrive late, in any order, and are repaired by processes that read at their own pace."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from attendance_schemas.events import Authority, Event, HolidayRecorded, PersonRecorded
from attendance_schemas.topics import DIRECTORY
from ingest.domain.directory import DirectoryView, Write
from service_kit.views.record_versions import RecordVersions

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
COMMON = {"occurred_at": NOW, "recorded_at": NOW, "org_id": "acme"}
HOLI = HolidayRecorded(
    event_id=UUID(int=0), **COMMON, holiday_id="holi", name="Holi", holiday_on=date(2026, 3, 4), site_id=None
)
BY = (Authority(subject="hr-1", role="hr"), Authority(subject="hr-2", role="hr"))
WRITERS = 3


@dataclass
class Process:
    """Reads the log as far as it gets, and writes by what it knows."""

    log: list[Write]
    view: DirectoryView = field(default_factory=DirectoryView)
    read_count: int = 0
    accepted: list[Write] = field(default_factory=list)

    def read(self, count: int) -> None:
        for write in self.log[self.read_count : self.read_count + count]:
            if apply(self.view, write):
                self.accepted.append(write)
        self.read_count = min(self.read_count + count, len(self.log))

    def repair(self) -> None:
        self.log.extend(self.view.repairs())


def apply(view: DirectoryView, write: Write) -> bool:
    return view.apply(write.key, write.event, version=write.version, ended_by=write.ended_by)


def person(number: int, badge: str | None, event_id: int) -> PersonRecorded:
    return PersonRecorded(
        event_id=UUID(int=event_id),
        **COMMON,
        person_id=f"p-{number}",
        home_site_id="pune",
        display_name="x",
        badge=badge,
    )


def read_all(log: Sequence[Write]) -> DirectoryView:
    view = DirectoryView()
    for write in log:
        apply(view, write)
    return view


def compacted(log: Sequence[Write], clean: int) -> list[Write]:
    """Keep of the first `clean` records the last of each key, and all the others."""
    last = {write.key: offset for offset, write in enumerate(log[:clean])}
    return [write for offset, write in enumerate(log) if offset >= clean or last[write.key] == offset]


# A process does something: it reads some records, records or ends something, which lands at once or is under
# way for as many steps, or repairs.
reading = st.tuples(st.just("read"), st.integers(0, WRITERS - 1), st.integers(1, 4))
writing = st.tuples(
    st.just("write"),
    st.integers(0, WRITERS - 1),
    st.sampled_from([("p", 1, None), ("p", 1, "B"), ("p", 2, "B"), ("h", 0, None), ("end", 0, None)]),
    st.integers(0, 12),
)
repairing = st.tuples(st.just("repair"), st.integers(0, WRITERS - 1))


def play(steps: Sequence[tuple]) -> tuple[list[Process], list[Write], int]:
    log: list[Write] = []
    processes = [Process(log) for _ in range(WRITERS)]
    under_way: list[tuple[int, Write]] = []
    for at, step in enumerate(steps):
        log.extend(write for due, write in under_way if due <= at)
        under_way = [(due, write) for due, write in under_way if due > at]
        process = processes[step[1]]
        match step:
            case ("read", _, count):
                process.read(count)
            case ("repair", _):
                process.repair()
            case ("write", number, (kind, who, badge), delay):
                event: Event = person(who, badge, at + 1) if kind == "p" else HOLI
                is_end = kind == "end"
                write = process.view.end_of(event, BY[number % 2]) if is_end else process.view.write_of(event)
                under_way.append((at + delay, write))
    log.extend(write for _, write in under_way)
    unrepaired = len(log)
    for _ in range(20):
        for process in processes:
            process.read(len(log))
        if not any(process.view.needs_repair for process in processes):
            return processes, log, unrepaired
        for process in processes:
            process.repair()
    raise AssertionError("they repair for ever")


@given(st.lists(st.one_of(reading, writing, repairing), max_size=60))
def test_everybody_comes_to_the_same_whatever_arrives_late(steps: list[tuple]) -> None:
    processes, log, unrepaired = play(steps)
    view = processes[0].view
    assert all(process.view.records == view.records for process in processes)

    # What counts is the accepted records, each with a greater version than all before it.
    assert {each.key: each.event for each in processes[0].accepted if each.event is not None} | {
        each.key: each.event for each in processes[0].accepted
    } == {each.key: view.records.get(each.key) for each in processes[0].accepted}
    counted: dict[str, int] = {}
    for write in processes[0].accepted:
        assert write.version >= counted.get(write.key, 0)
        counted[write.key] = write.version

    # Others take the last record of a key as it is, and find the same.
    plain = {write.key: write.event for write in log}
    assert {key: event for key, event in plain.items() if event is not None} == view.records

    # Whatever part of the log compaction has cleaned, a new start finds the same and has nothing to repair.
    for clean in range(len(log) + 1):
        found = read_all(compacted(log, clean))
        assert found.records == view.records
        assert not found.needs_repair

    # A repair is not repaired: each process writes at most once for each key, round after round.
    assert len(log) - unrepaired <= 3 * WRITERS * len(plain)


def test_a_record_that_was_under_way_while_another_was_recorded_does_not_count() -> None:
    view = DirectoryView()
    first = view.write_of(person(1, None, 1))
    assert apply(view, first)
    late = view.write_of(person(1, "B", 2))
    newer = view.write_of(person(1, None, 3))
    assert apply(view, newer)
    assert not apply(view, late)
    assert view.records[newer.key] == newer.event
    [repair] = view.repairs()
    assert (repair.event, repair.version) == (newer.event, newer.version + 1)
    assert apply(view, repair)
    assert not view.needs_repair
    assert apply(view, repair), "the same again, by another process"
    assert not view.needs_repair


def test_what_was_taken_back_stays_so_though_a_record_of_it_comes_late() -> None:
    view = DirectoryView()
    assert apply(view, view.write_of(HOLI))
    late = view.write_of(HOLI)
    end = view.end_of(HOLI, BY[0])
    assert apply(view, end)
    assert not apply(view, late)
    assert view.records == {}
    [repair] = view.repairs()
    assert (repair.event, repair.ended_by, repair.version) == (None, BY[0], end.version + 1)


def test_what_was_taken_back_long_ago_is_recorded_again_for_a_process_that_remembers_it() -> None:
    yesterday = NOW.timestamp() - 86_400
    old = DirectoryView(_versions=RecordVersions(now=lambda: yesterday))
    assert apply(old, old.write_of(HOLI))
    assert apply(old, old.end_of(HOLI, BY[0]))
    # Compaction has taken the tombstone, so a process that starts now finds nothing of it.
    again = DirectoryView(_versions=RecordVersions(now=NOW.timestamp)).write_of(HOLI)
    assert apply(old, again)
    assert old.records == {again.key: HOLI}
    assert not old.needs_repair


def test_records_without_a_version_count_in_their_order_until_there_is_one_with_it() -> None:
    view, key = DirectoryView(), DIRECTORY.key_of(person(1, None, 1)).decode()
    assert view.apply(key, person(1, None, 1))
    assert view.apply(key, person(1, "B", 2))
    assert apply(view, view.write_of(person(1, None, 3)))
    assert not view.apply(key, person(1, "B", 4))
    assert [write.version for write in view.repairs()] == [2]


def test_a_badge_of_somebody_else_is_taken_off_by_any_process_alike() -> None:
    one, other = DirectoryView(), DirectoryView()
    holder, loser = one.write_of(person(1, "B", 1)), one.write_of(person(2, "B", 2))
    for view in (one, other):
        assert apply(view, holder)
        assert apply(view, loser)
    assert one.repairs() == other.repairs()
    [repair] = one.repairs()
    assert isinstance(repair.event, PersonRecorded)
    assert (repair.event.person_id, repair.event.badge, repair.version) == ("p-2", None, loser.version + 1)
    assert apply(one, repair)
    assert not one.needs_repair
