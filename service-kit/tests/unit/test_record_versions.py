from datetime import UTC, datetime, timedelta

import pytest

from service_kit.kafka.records import Headers, Record
from service_kit.views.record_versions import RecordVersions, version_header, version_of

DAY = 86_400
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def record(headers: Headers, at: datetime = NOW) -> Record:
    return Record("things", 0, 0, b"k", b"v", headers, at)


@pytest.mark.parametrize("version", [1, 7, NOW_MS, NOW_MS + DAY * 1000])
def test_a_version_travels_in_a_header(version: int) -> None:
    assert version_of(record((("other", b"x"), version_header(version)))) == version


@pytest.mark.parametrize("value", [b"", b"-1", b"1.0", b" 1", b"x", "\u0663".encode(), b"9" * 19])
def test_what_is_no_version_counts_as_none(value: bytes) -> None:
    assert version_of(record((("record-version", value),))) == 0
    assert version_of(record(())) == 0


@pytest.mark.parametrize("version", [NOW_MS + DAY * 1000 + 1, 10**17, 10**18 - 1])
def test_a_version_that_is_more_than_a_day_ahead_counts_as_none(version: int) -> None:
    assert version_of(record((version_header(version),))) == 0
    later = NOW + timedelta(milliseconds=version - NOW_MS) if version < 10**13 else None
    assert later is None or version_of(record((version_header(version),), later)) == version


def test_a_next_version_can_always_be_read() -> None:
    versions: RecordVersions[str] = RecordVersions(now=NOW.timestamp)
    for raw in (1, 10**18 - 1, NOW_MS + DAY * 1000):
        versions.take("a", version_of(record((version_header(raw),))), says_the_same=False)
        following, soon = versions.next_of("a"), NOW + timedelta(milliseconds=1)
        assert version_of(record((version_header(following),), soon)) == following
    assert versions.take("a", following, says_the_same=True)
    assert not versions.has_overruled


def test_a_key_that_the_log_forgot_is_recorded_again_for_those_too_who_remember_it() -> None:
    ended_at = NOW.timestamp()
    old: RecordVersions[str] = RecordVersions(now=lambda: ended_at)
    for _ in range(1000):
        assert old.take("a", old.next_of("a"), says_the_same=False)
    started_since: RecordVersions[str] = RecordVersions(now=lambda: ended_at + DAY)
    assert old.take("a", started_since.next_of("a"), says_the_same=False)


def test_of_two_who_record_a_key_for_the_first_time_the_second_does_not_count() -> None:
    one: RecordVersions[str] = RecordVersions(now=NOW.timestamp)
    other: RecordVersions[str] = RecordVersions(now=lambda: NOW.timestamp() + 60)
    late = other.next_of("a")
    assert one.take("a", one.next_of("a"), says_the_same=False)
    assert not one.take("a", late, says_the_same=False)
    assert not one.take("a", late - 1, says_the_same=False)


def test_only_a_greater_version_counts() -> None:
    versions: RecordVersions[str] = RecordVersions()
    assert versions.take("a", 1, says_the_same=False)
    assert versions.take("a", 5, says_the_same=False)
    assert not versions.take("a", 5, says_the_same=False)
    assert not versions.take("a", 2, says_the_same=True)
    assert (versions.overruled, versions.has_overruled, versions.next_of("a")) == ({"a"}, True, 6)
    assert versions.take("a", 6, says_the_same=True)
    assert not versions.has_overruled


def test_the_same_twice_counts_but_mends_nothing() -> None:
    versions: RecordVersions[str] = RecordVersions()
    assert versions.take("a", 3, says_the_same=False)
    assert versions.take("a", 3, says_the_same=True)
    assert not versions.has_overruled
    assert not versions.take("a", 3, says_the_same=False)
    assert versions.take("a", 3, says_the_same=True)
    assert versions.overruled == {"a"}


def test_what_is_overruled_is_not_copied_for_each_record_of_a_start() -> None:
    versions: RecordVersions[str] = RecordVersions()
    overruled = versions.overruled
    for version in (2, 1):
        versions.take("a", version, says_the_same=False)
    assert overruled == {"a"}
