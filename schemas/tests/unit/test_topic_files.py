"""What the topic files say, and that they say it of every topic."""

from importlib.resources import files

import pytest

from attendance_schemas.apply import all_topics
from attendance_schemas.topics import TOPICS

DAY = 86_400_000
EVERY = pytest.mark.parametrize("topic", all_topics(), ids=lambda topic: topic.name)
COMPACTED = pytest.mark.parametrize("name", [each.name for each in TOPICS.values() if each.is_compacted])


@EVERY
def test_every_topic_survives_a_broker_a_clock_and_a_busy_month(topic):
    assert topic.replicas == 3
    assert topic.settings.items() >= {
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "false"),
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.bytes", "-1"),
    }


@EVERY
def test_values_are_as_the_broker_writes_them(topic):
    for name, value in topic.settings.items():
        assert not name.endswith(".ms") or int(value) > 0 or value == "-1", name
    longest = topic.settings.get("max.compaction.lag.ms")
    if longest is not None:
        assert int(topic.settings.get("min.compaction.lag.ms", "0")) <= int(longest)


def test_retentions():
    kept = {topic.name: topic.kept for topic in all_topics()}
    for name in ("captures", "captures-backlog", "captures.dlq", "matches.dlq", "directory.dlq"):
        assert kept[f"attendance.{name}"] == "kept 60 days", name
    for name in ("matches", "punches", "corrections"):
        assert kept[f"attendance.{name}"] == "kept 400 days", name


def test_an_erasure_is_never_forgotten():
    (topic,) = (topic for topic in TOPICS.values() if "PersonErased" in topic.events)
    assert topic.kept == "kept for ever"
    assert "EnrolmentRequested" in topic.events, "the order of the two decides what is void"


@COMPACTED
def test_a_tombstone_outlives_an_absence_and_a_backup(name):
    assert int(TOPICS[name].settings["delete.retention.ms"]) == 90 * DAY


@pytest.mark.parametrize(("name", "days"), [("gallery", 1), ("person-keys", 1), ("directory", 8)])
def test_what_was_erased_leaves_the_disks(name, days):
    settings = TOPICS[f"attendance.{name}"].settings
    assert int(settings["max.compaction.lag.ms"]) == days * DAY
    assert int(settings["segment.ms"]) == DAY


@pytest.mark.parametrize("name", ["directory", "model-rollouts"])
def test_a_late_record_can_be_answered_before_compaction(name):
    assert int(TOPICS[f"attendance.{name}"].settings["min.compaction.lag.ms"]) == 7 * DAY


@pytest.mark.parametrize("name", ["captures", "captures-backlog", "matches", "punches"])
def test_what_grows_with_the_people_has_room(name):
    assert TOPICS[f"attendance.{name}"].partitions == 48


def test_a_topic_file_is_named_like_its_topic():
    names = {entry.name for entry in files("attendance_schemas").joinpath("topics").iterdir()}
    assert names == {f"{name.removeprefix('attendance.')}.yaml" for name in TOPICS}
