from typing import get_type_hints
from uuid import UUID

import msgspec
import pytest

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import Event, PersonKeyIssued
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import CAPTURES, DIRECTORY, PERSON_KEYS, TOPICS

GOLDEN = {name: event for name, event, _ in golden_examples()}
# Facts of the whole installation: the clock, the models of the fleet (organisation *), what operators did.
OF_NOBODY = {"attendance.clock", "attendance.model-rollouts", "attendance.operations"}
PUBLISHED = [
    pytest.param(topic, event, id=f"{topic.name}-{name}")
    for topic in TOPICS.values()
    for name, event in GOLDEN.items()
    if type(event).__name__ in topic.events and topic.name not in OF_NOBODY
]


def test_keys() -> None:
    assert CAPTURES.key_of(GOLDEN["CaptureReceived/live"]) == b"acme:gate-1"
    assert DIRECTORY.key_of(GOLDEN["ShiftRecorded/day"]) == b"acme:shift:day:2026-01-01"
    with pytest.raises(SchemaError, match="MatchDecided is not an event of"):
        CAPTURES.key_of(GOLDEN["MatchDecided/review"])


@pytest.mark.parametrize(("topic", "event"), PUBLISHED)
def test_the_same_ids_of_two_organisations_have_two_keys(topic, event: Event) -> None:
    keys = []
    for org_id in ("acme", "globex"):
        keys.append(topic.key_of(msgspec.structs.replace(event, org_id=org_id)).split(b":"))
        assert keys[-1][0] == org_id.encode()
    assert keys[0][1:] == keys[1][1:]


def test_a_key_says_what_a_tombstone_is_about() -> None:
    for event in GOLDEN.values():
        if (name := type(event).__name__) in DIRECTORY.events:
            found = DIRECTORY.fields_of(DIRECTORY.key_of(event))
            assert found is not None
            assert (found[0], found[1]["org_id"]) == (name, event.org_id)
            assert found[1] == {field: str(getattr(event, field)) for field in found[1]}
    assert DIRECTORY.fields_of(b"acme:unknown:thing") is None


def test_an_erasure_of_keys_never_lies_under_the_key_of_a_data_key() -> None:
    # The word and the ids of keys share a place in the record key; a word is no UUID.
    assert PERSON_KEYS.events["PersonKeysErased"] == "{org_id}:{person_id}:erased"
    assert get_type_hints(PersonKeyIssued)["key_id"] is UUID
    with pytest.raises(ValueError, match="badly formed"):
        UUID("erased")


def test_no_two_kinds_of_the_directory_share_a_key() -> None:
    # A person, a site and a device may have the same id; the kind is in the key, and no id holds a colon.
    forms = [form.split(":")[1:2] for form in DIRECTORY.events.values()]
    assert len(forms) == len({tuple(form) for form in forms})
    assert not any("{" in kind for [kind] in forms)
