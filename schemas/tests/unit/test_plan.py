"""What `apply` would do with a cluster, without one."""

from dataclasses import replace

import pytest

from attendance_schemas.apply.plan import (
    LONGEST_LAG,
    SHORTEST_LAG,
    FoundTopic,
    NewTopic,
    Setting,
    compare,
    missing_brokers,
    offsets_warning,
    wanted,
)
from attendance_schemas.topics import DIRECTORY, MATCHES

DAY = 86_400_000
FILE = NewTopic("a", 2, 3, {"min.insync.replicas": "2", "retention.ms": str(60 * DAY)})


def found(replicas: int = 3, partitions: int = 2, **settings: Setting) -> FoundTopic:
    """Return a topic as its file says, but for these settings; their names have _ for a dot."""
    own = {name: Setting(value, is_own=True) for name, value in FILE.settings.items()}
    others = {name.replace("_", "."): value for name, value in settings.items()}
    return FoundTopic(dict.fromkeys(range(partitions), replicas), own | others)


def test_a_topic_that_is_not_there_is_created():
    plan = compare([FILE], {})
    assert plan.topics == [FILE]
    assert plan.steps == ["create a: 2 partitions, 3 replicas"]


def test_a_topic_as_its_file_says_is_left_alone():
    plan = compare([FILE], {"a": found(segment_bytes=Setting("1048576", is_own=True))})
    assert (plan.steps, plan.kept, plan.refused) == ([], [], [])


def test_a_setting_of_less_is_made_right_and_nothing_else():
    plan = compare([FILE], {"a": found(min_insync_replicas=Setting("1", is_own=True))})
    assert plan.steps == ["set a: min.insync.replicas from 1 to 2"]


def test_a_default_of_the_broker_is_written_down():
    plan = compare([FILE], {"a": found(min_insync_replicas=Setting("2", is_own=False))})
    assert plan.steps == ["set a: min.insync.replicas 2, until now a default of the broker"]


@pytest.mark.parametrize(("value", "words"), [(str(400 * DAY), "400 days"), ("-1", "without limit")])
def test_what_is_kept_for_longer_stays(value, words):
    plan = compare([FILE], {"a": found(retention_ms=Setting(value, is_own=True))})
    assert plan.steps == []
    assert plan.kept == [f"a: retention.ms is {words}, its file says 60 days"]
    # What only a default of the broker says would be less with the next default.
    plan = compare([FILE], {"a": found(retention_ms=Setting(value, is_own=False))})
    assert plan.steps == [f"set a: retention.ms {words}, until now a default of the broker"]
    assert [each.wanted for each in plan.settings] == [value]


@pytest.mark.parametrize("is_own", [True, False])
def test_a_minimum_that_no_partition_reaches_is_refused(is_own):
    assert compare([FILE], {"a": found(min_insync_replicas=Setting("3", is_own=is_own))}).refused == []
    plan = compare([FILE], {"a": found(min_insync_replicas=Setting("4", is_own=is_own))})
    assert plan.refused == [
        "a takes no records: min.insync.replicas is 4, and partitions have 3 replicas; set it to 2"
    ]


def test_for_ever_is_more_than_any_number():
    for_ever = replace(FILE, settings={"retention.ms": "-1"})
    plan = compare([for_ever], {"a": found()})
    assert plan.steps == ["set a: retention.ms from 60 days to without limit"]


@pytest.mark.parametrize("name", ["max.compaction.lag.ms", "segment.ms"])
def test_what_leaves_the_disk_earlier_stays(name):
    topic = replace(FILE, settings={name: str(8 * DAY)})
    early, late = (
        FoundTopic({0: 3, 1: 3}, {name: Setting(value, is_own=True)}) for value in ("60000", str(9 * DAY))
    )
    assert compare([topic], {"a": early}).kept == [f"a: {name} is 60000, its file says 8 days"]
    assert compare([topic], {"a": late}).steps == [f"set a: {name} from 9 days to 8 days"]


@pytest.mark.parametrize(
    ("shortest", "longest", "words"),
    [(10, 30, "10 days, more than the 8"), (3, 5, "7 days, more than the 5")],
)
def test_lags_of_which_one_stays_and_leaves_no_room_for_the_other_are_refused(shortest, longest, words):
    file = replace(FILE, settings={SHORTEST_LAG: str(7 * DAY), LONGEST_LAG: str(8 * DAY)})
    own = {SHORTEST_LAG: str(shortest * DAY), LONGEST_LAG: str(longest * DAY)}
    there = FoundTopic({0: 3, 1: 3}, {name: Setting(value, is_own=True) for name, value in own.items()})
    assert compare([file], {"a": there}).refused == [
        f"a: min.compaction.lag.ms would be {words} days of max.compaction.lag.ms; "
        "set them to 7 days and 8 days"
    ]


def test_lags_with_room_stay():
    file = replace(FILE, settings={SHORTEST_LAG: str(7 * DAY), LONGEST_LAG: str(8 * DAY)})
    both = Setting(str(8 * DAY), is_own=True)
    there = FoundTopic({0: 3, 1: 3}, {SHORTEST_LAG: both, LONGEST_LAG: both})
    assert compare([file], {"a": there}).refused == []


def test_a_broker_without_a_limit_is_said_so():
    topic = replace(FILE, settings={"max.compaction.lag.ms": str(DAY)})
    there = FoundTopic({0: 3, 1: 3}, {"max.compaction.lag.ms": Setting("9223372036854775807", is_own=False)})
    assert compare([topic], {"a": there}).steps == [
        "set a: max.compaction.lag.ms from without limit to 1 day"
    ]


@pytest.mark.parametrize("value", ["CreateTime", "compact,delete", "true"])
def test_of_what_has_no_more_or_less_only_the_files_value_is_right(value):
    topic = replace(FILE, settings={"some.choice": "file"})
    there = FoundTopic({0: 3, 1: 3}, {"some.choice": Setting(value, is_own=True)})
    assert compare([topic], {"a": there}).steps == [f"set a: some.choice from {value} to file"]


@pytest.mark.parametrize("partitions", [1, 3])
def test_another_number_of_partitions_is_refused(partitions):
    (refused,) = compare([FILE], {"a": found(partitions=partitions)}).refused
    assert f"a has {partitions} partitions, its topic file says 2; keys would move" in refused


def test_fewer_replicas_are_refused_by_partition_and_more_stay():
    there = FoundTopic({0: 3, 1: 1}, found().settings)
    (refused,) = compare([FILE], {"a": there}).refused
    assert refused.startswith("a has fewer than 3 replicas in partition 1; give it more with kafka-reassign")
    assert compare([FILE], {"a": found(replicas=5)}).kept == ["a: 5 replicas, its file says 3"]


def test_one_broker_is_said_and_partitions_are_capped():
    topic = wanted(MATCHES, prefix="t.", single_broker=True, partitions=2)
    assert (topic.name, topic.partitions, topic.replicas) == ("t.attendance.matches", 2, 1)
    assert topic.settings["min.insync.replicas"] == "1"
    assert wanted(DIRECTORY, prefix="", single_broker=False, partitions=2).partitions == 1


def test_brokers_that_are_missing_are_counted():
    assert [missing_brokers(answering, [FILE]) for answering in (0, 1, 2, 3, 4)] == [3, 2, 1, 0, 0]


def test_a_broker_that_forgets_positions_early_is_named():
    assert offsets_warning({"1": "86400", "2": "-1"}) is None
    assert offsets_warning({}) is None
    said = offsets_warning({"1": "86400", "2": "10080"})
    assert said is not None
    assert "the positions of a group that is away for 7 days are forgotten by broker 2" in said
    assert "offsets.retention.minutes=86400" in said
