from datetime import UTC, datetime

import pytest

from service_kit.kafka.records import Headers, Record
from service_kit.views.record_versions import RecordVersions, version_header, version_of


def record(headers: Headers) -> Record:
    return Record("things", 0, 0, b"k", b"v", headers, datetime.now(UTC))


@pytest.mark.parametrize("version", [1, 7, 10**17])
def test_a_version_travels_in_a_header(version: int) -> None:
    assert version_of(record((("other", b"x"), version_header(version)))) == version


@pytest.mark.parametrize("value", [b"", b"-1", b"1.0", b" 1", b"x", "\u0663".encode(), b"9" * 19])
def test_what_is_no_version_counts_as_none(value: bytes) -> None:
    assert version_of(record((("record-version", value),))) == 0
    assert version_of(record(())) == 0


def test_only_a_greater_version_counts() -> None:
    versions: RecordVersions[str] = RecordVersions()
    assert versions.next_of("a") == 1
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
