from datetime import UTC, datetime

import msgspec

from attendance_schemas.events import CaptureReceived
from attendance_schemas.golden import golden_examples
from ingest.adapters.sequence_rebuild import SequencesOfTopics
from service_kit.kafka.records import Record

LIVE, BACKLOG = "attendance.captures", "attendance.captures-backlog"


def read(*records: tuple[str, int, int, str, int]) -> dict[str, list[tuple[int, int]]]:
    """Apply records given as topic, partition, offset, device and sequence."""
    _, example, _ = next(iter(golden_examples(CaptureReceived)))
    found = SequencesOfTopics()
    for topic, partition, offset, device, sequence in records:
        org_id, device_id = device.split(":")
        event = msgspec.structs.replace(example, org_id=org_id, device_id=device_id, device_sequence=sequence)
        record = Record(topic, partition, offset, device.encode(), b"", (), datetime.now(UTC))
        found.apply(record, event)
    found.apply(Record(LIVE, 0, 999, b"x", None, (), datetime.now(UTC)), None)
    return {":".join(device): ranges.ranges for device, ranges in found.finish().items()}


def test_both_topics_together_have_no_gap():
    assert read((LIVE, 0, 0, "acme:a", 1), (LIVE, 0, 1, "acme:a", 3), (BACKLOG, 0, 0, "acme:a", 2)) == {
        "acme:a": [(1, 3)]
    }


def test_a_gap_stays_a_gap_while_the_topic_is_whole():
    assert read((LIVE, 0, 0, "acme:a", 5), (LIVE, 0, 1, "acme:a", 7)) == {"acme:a": [(5, 5), (7, 7)]}


def test_before_the_retained_part_nothing_is_missed():
    ranges = read((LIVE, 0, 4000, "acme:a", 51), (LIVE, 0, 4001, "acme:a", 53), (LIVE, 1, 0, "acme:b", 2))
    assert ranges == {"acme:a": [(1, 51), (53, 53)], "acme:b": [(2, 2)]}


def test_devices_of_two_organisations_with_one_id_count_for_themselves():
    ranges = read((LIVE, 0, 0, "acme:a", 1), (LIVE, 0, 1, "globex:a", 2))
    assert ranges == {"acme:a": [(1, 1)], "globex:a": [(2, 2)]}
