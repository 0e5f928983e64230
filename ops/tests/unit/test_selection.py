import pytest

from attendance_ops.errors import NotAllowed, WrongSelection
from attendance_ops.log.selection import Selection, check_topic, offsets_of, where_of
from attendance_ops.log.targets import target_of
from attendance_schemas.topics import TOPICS


def test_a_topic_may_be_named_in_short() -> None:
    assert check_topic("captures") == check_topic("attendance.captures") == "attendance.captures"
    assert check_topic("captures.dlq") == "attendance.captures.dlq"
    with pytest.raises(WrongSelection, match="there are attendance"):
        check_topic("photos")


def test_conditions_and_places() -> None:
    assert where_of(["device=gate-1", "image.sha256=ab=c"]) == {"device_id": "gate-1", "image.sha256": "ab=c"}
    assert offsets_of(["3:120", "1:5-9"]) == {3: (120, 120), 1: (5, 9)}
    for wrong in ("device", "=x", "device="):
        with pytest.raises(WrongSelection):
            where_of([wrong])
    for wrong in ("3", "a:1", "1:9-5", "1:-3", ":"):
        with pytest.raises(WrongSelection):
            offsets_of([wrong])
    with pytest.raises(WrongSelection, match="one range a partition"):
        offsets_of(["1:5", "1:9"])


def test_only_time_and_place_need_no_decoding() -> None:
    assert Selection("attendance.captures").takes_all
    assert not Selection("attendance.captures", event="CaptureReceived").takes_all


@pytest.mark.parametrize(
    "name", ["directory", "gallery", "person-keys", "model-rollouts", "clock", "operations", "changes"]
)
def test_nothing_goes_again_where_the_last_record_counts(name: str) -> None:
    with pytest.raises(NotAllowed, match="bring back what was replaced"):
        target_of(f"attendance.{name}")


def test_captures_go_behind_live_ones_and_facts_where_they_were() -> None:
    assert target_of("attendance.captures").name == "attendance.captures-backlog"
    assert target_of("attendance.captures.dlq").name == "attendance.captures-backlog"
    assert target_of("attendance.punches.dlq").name == "attendance.punches"
    assert not any(target_of(name).is_compacted for name in TOPICS if _goes_again(name))


def _goes_again(name: str) -> bool:
    try:
        target_of(name)
    except NotAllowed:
        return False
    return True
