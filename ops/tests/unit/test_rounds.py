"""When a partition is archived: at many records, after a while, and snapshots not too often."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from attendance_ops.archive.rounds import Pace, Place, Seen, is_due
from attendance_ops.archive.topics import archived_topics
from attendance_schemas.apply import all_topics
from attendance_schemas.topics import PERSON_KEYS
from service_kit.archive.draft import Limits
from service_kit.archive.manifest import Series

SERIES = Series(topic="t", topic_id=UUID(int=1), cluster_id="c", partition=0)
PACE = Pace(Limits(records=100), timedelta(minutes=5), timedelta(hours=1))
NOW = 10_000.0


@pytest.mark.parametrize(
    ("archived", "waits", "due"),
    [(50, 301, True), (50, 299, False), (0, 1, True), (100, 999, False), (50, None, False)],
)
def test_records_wait_for_many_or_for_long(archived: int, waits: float | None, due: bool) -> None:
    seen = Seen(archived, 100, None if waits is None else NOW - waits)
    assert is_due(seen, Place(SERIES, False, 100), PACE, NOW) is due
    assert is_due(seen, Place(SERIES, False, 100), PACE, NOW, everything=True) is (archived < 100)


@pytest.mark.parametrize(
    ("age", "quiet", "due"),
    [
        (timedelta(minutes=61), 301, True),
        (timedelta(minutes=59), 301, False),
        (timedelta(minutes=61), 299, False),
        (timedelta(hours=25), 0, True),
        (None, 0, True),
    ],
)
def test_a_snapshot_waits_for_quiet_an_hour_and_at_most_a_day(
    age: timedelta | None, quiet: float, due: bool
) -> None:
    at = None if age is None else datetime.now(UTC) - age
    seen = Seen(4, 9, None, NOW - quiet, at)
    assert is_due(seen, Place(SERIES, True, 9), PACE, NOW) is due
    assert not is_due(seen, Place(SERIES, True, 4), PACE, NOW)


def test_every_topic_is_archived_but_the_keys_of_people() -> None:
    assert {each.name for each in all_topics()} - {each.name for each in archived_topics()} == {
        PERSON_KEYS.name
    }
