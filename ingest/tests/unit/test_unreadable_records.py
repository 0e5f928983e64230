"""A newer version wrote what this one cannot read, as after a rollback: it counts, and nothing is lost."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid5

from msgspec import structs

from attendance_schemas.events import Authority, CaptureReceived, HolidayRecorded, PersonRecorded
from attendance_schemas.golden import golden_examples
from ingest.domain.directory import DirectoryView, Write, belongs_under

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
REPUBLIC_DAY = structs.replace(HOLI, name="Republic Day", event_id=UUID(int=1))


def person(person_id: str, badge: str | None) -> PersonRecorded:
    return PersonRecorded(
        event_id=uuid5(UUID(int=0), f"{person_id} {badge}"),
        occurred_at=NOW,
        recorded_at=NOW,
        org_id="acme",
        person_id=person_id,
        home_site_id="pune",
        display_name="x",
        badge=badge,
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


def test_what_can_be_read_at_last_counts_unless_something_newer_does():
    old, _, newer = written()
    old.leave_out(newer.key, newer.version)
    changed = structs.replace(HOLI, name="Holi, the second day")
    assert old.read_at_last(newer.key, changed)
    assert old.same(changed) is not None
    assert not old.needs_repair
    old.leave_out(newer.key, newer.version + 1)
    last = old.write_of(REPUBLIC_DAY)
    assert apply(old, last)
    assert not old.read_at_last(newer.key, changed)
    assert old.same(REPUBLIC_DAY) is not None


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


def test_a_repetition_of_what_was_before_an_unreadable_record_does_not_count():
    old, new, newer = written()
    old.leave_out(newer.key, newer.version)
    again = newer._replace(event=HOLI)
    assert not new.apply(newer.key, REPUBLIC_DAY, version=newer.version)
    assert not apply(old, again)


def test_a_badge_that_an_unreadable_record_may_have_given_up_is_left_to_who_can_read_it():
    old, new = DirectoryView(), DirectoryView()
    with_badge = old.write_of(person("p-1", "B"))
    for view in (old, new):
        assert apply(view, with_badge)
    given_up = new.write_of(person("p-1", None))
    taken = new.write_of(person("p-2", "B"))
    for write in (given_up, taken):
        assert apply(new, write)
    old.leave_out(given_up.key, given_up.version)
    assert apply(old, taken)
    assert not new.needs_repair
    assert not old.needs_repair
    assert old.repairs() == []


def test_an_unreadable_record_is_not_written_over_because_of_a_badge():
    old, new = DirectoryView(), DirectoryView()
    for write in (old.write_of(person("p-1", "B")), old.write_of(person("p-2", "B"))):
        for view in (old, new):
            assert apply(view, write)
    (repair,) = new.repairs()
    assert apply(new, repair)
    old.leave_out(repair.key, repair.version)
    assert old.repairs() == []
    # Once both can be read again, the badge is one person's.
    again = new.write_of(person("p-2", "B"))
    for view in (old, new):
        assert apply(view, again)
        assert [each.key for each in view.repairs()] == [again.key]


def test_a_record_belongs_under_its_own_key_alone():
    """Under another one it would take the badge, and the place, of somebody of another organisation."""
    ravi = person("p-1", "B")
    assert belongs_under("acme:person:p-1", ravi)
    for other in ("globex:person:p-1", "acme:person:p-2", "acme:device:p-1", ""):
        assert not belongs_under(other, ravi)
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    assert not belongs_under("acme:person:p-1", capture)
