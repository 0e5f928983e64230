from typing import Any

import pytest

from attendance_schemas.events import to_fields
from attendance_schemas.golden import golden_examples
from attendance_schemas.sensitivity import (
    MASK,
    kinds,
    masked,
    masked_key,
    sensitive_paths,
    sensitive_values,
)
from attendance_schemas.topics import CAPTURES, DIRECTORY, PUNCHES

GOLDEN = {name: event for name, event, _ in golden_examples()}


def plain(value: Any) -> Any:
    """Return a value with lists for tuples."""
    match value:
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
    return value


def test_names_badges_object_keys_and_embeddings_are_marked() -> None:
    assert kinds() == {"personal", "credential", "object", "biometric", "secret"}
    assert sensitive_paths("PersonRecorded") == {
        ("display_name",): "personal",
        ("badge",): "credential",
        ("former_badges", "badge"): "credential",
    }
    assert ("image", "key") in sensitive_paths("MatchDecided")
    assert ("photos", "key") in sensitive_paths("EnrolmentRequested")
    assert sensitive_paths("TemplateEnrolled") == {("embedding",): "biometric"}


@pytest.mark.parametrize("name", GOLDEN)
def test_every_marked_value_is_masked_and_no_other(name: str) -> None:
    event_name, fields = type(GOLDEN[name]).__name__, to_fields(GOLDEN[name])
    shown = masked(event_name, fields)
    assert sensitive_values(event_name, shown) == ({MASK} if sensitive_values(event_name, fields) else set())
    tops = {path[0] for path in sensitive_paths(event_name)}
    assert {key: plain(shown[key]) for key in shown if key not in tops} == {
        key: plain(fields[key]) for key in fields if key not in tops
    }


def test_a_value_that_is_not_there_is_shown_as_that() -> None:
    fields = to_fields(GOLDEN["CaptureReceived/live"]) | {"claimed_badge": None}
    assert masked("CaptureReceived", fields)["claimed_badge"] is None


def test_a_key_says_no_more_than_the_record() -> None:
    assert masked_key(PUNCHES, b"acme:B-1007") == f"acme:{MASK}"
    assert masked_key(CAPTURES, b"acme:gate-1") == "acme:gate-1"
    assert masked_key(DIRECTORY, b"acme:person:p-1") == "acme:person:p-1"
    assert masked_key(CAPTURES, b"Ada Lovelace") == MASK
