"""A newer version wrote what this one cannot read, as after a rollback: it counts, and nothing is lost."""

from datetime import UTC, date, datetime
from uuid import UUID

from attendance_schemas.events import Authority, HolidayRecorded
from ingest.domain.directory import DirectoryView, Write

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOLI = HolidayRecorded(
    event_id=UUID(int=0),
    occurred_at=NOW,
    recorded_at=NOW,
    org_id="acme",
    holiday_id="holi",
    name="Holi",
    holiday_on=date(2026, 3, 4),
    site_id=None,
)


def apply(view: DirectoryView, write: Write) -> bool:
    return view.apply(write.key, write.event, version=write.version, ended_by=write.ended_by)


def written() -> tuple[DirectoryView, DirectoryView, Write]:
    """Return an old and a new process that know a holiday, and what the new one writes then."""
    old, new = DirectoryView(), DirectoryView()
    first = old.write_of(HOLI)
    assert apply(old, first)
    assert apply(new, first)
    newer = new.write_of(HOLI)
    assert apply(new, newer)
    return old, new, newer


def test_what_is_recorded_after_an_unreadable_record_counts_everywhere():
    old, new, newer = written()
    old.leave_out(newer.key, newer.version)
    assert old.records[newer.key] == HOLI
    assert old.same(HOLI) is None  # it is not known to say the same, so it is written
    last = old.write_of(HOLI)
    assert last.version > newer.version
    assert apply(old, last)
    assert apply(new, last)
    assert old.same(HOLI) == HOLI


def test_the_end_after_an_unreadable_record_counts_everywhere():
    old, new, newer = written()
    old.leave_out(newer.key, newer.version)
    end = old.end_of(HOLI, Authority(subject="hr-1", role="hr"))
    assert apply(new, end)
    assert not new.records


def test_what_cannot_be_read_is_not_repaired_from_old_memory():
    old, new, newer = written()
    old.leave_out(newer.key, newer.version)
    late = newer._replace(version=newer.version - 1)
    assert not apply(old, late)
    assert not apply(new, late)
    assert not old.needs_repair
    assert old.repairs() == []
    (repair,) = new.repairs()  # who can read it repairs
    assert repair.event == HOLI


def test_an_unreadable_record_that_is_late_is_repaired():
    old, _, newer = written()
    late = newer.version - 1
    assert apply(old, newer)
    old.leave_out(newer.key, late)
    assert old.needs_repair
    (repair,) = old.repairs()
    assert (repair.event, repair.version) == (HOLI, newer.version + 1)
