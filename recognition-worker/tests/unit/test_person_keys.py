from datetime import UTC, datetime, timedelta

import pytest

from recognition_worker.domain.identity import OrgId, Person, PersonId
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys

ADA = Person(OrgId("acme"), PersonId("ada"))
THEIR_ADA = Person(OrgId("globex"), PersonId("ada"))
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


def key(
    name: str, requested_at: datetime = MONDAY, *, person: Person = ADA, wrapped: str = "k1"
) -> PersonKey:
    return PersonKey(person, KeyId(name), wrapped, b"...", requested_at)


@pytest.fixture
def keys() -> PersonKeys:
    return PersonKeys()


def test_the_first_key_of_the_log_seals_and_every_key_opens(keys: PersonKeys) -> None:
    for name in ("b", "a"):
        keys.issue(key(name))
    assert keys.first(ADA) == key("b")
    assert keys.find(ADA, KeyId("a")) == key("a")
    keys.issue(key("b", wrapped="k2"))
    assert keys.first(ADA) == key("b", wrapped="k2")
    assert keys.wrapped_with() == {"k1": 1, "k2": 1}


def test_the_same_person_id_in_another_organisation_has_keys_of_their_own(keys: PersonKeys) -> None:
    keys.issue(key("theirs", person=THEIR_ADA))
    assert keys.first(ADA) is None
    assert keys.find(ADA, KeyId("theirs")) is None
    assert keys.requested_until(ADA, WEDNESDAY) == []
    assert not keys.forget(ADA, KeyId("theirs"))
    keys.issue(key("ours"))
    keys.issue(key("theirs"))
    keys.erase(ADA, TUESDAY)
    assert keys.first(THEIR_ADA) == key("theirs", person=THEIR_ADA)
    assert keys.forget(ADA, KeyId("theirs"))
    assert keys.find(THEIR_ADA, KeyId("theirs")) is not None
    assert keys.came_back == []
    keys.erase(THEIR_ADA, WEDNESDAY)
    assert list(keys.erasures()) == [(ADA, TUESDAY), (THEIR_ADA, WEDNESDAY)]


def test_a_tombstone_takes_a_key_away(keys: PersonKeys) -> None:
    keys.issue(key("a"))
    assert keys.forget(ADA, KeyId("a"))
    assert not keys.forget(ADA, KeyId("a"))
    assert keys.find(ADA, KeyId("a")) is None
    assert keys.first(ADA) is None
    assert list(keys) == []


def test_an_erasure_voids_what_was_requested_until_then_and_nothing_later(keys: PersonKeys) -> None:
    keys.issue(key("monday"))
    keys.issue(key("tuesday", TUESDAY))
    keys.issue(key("wednesday", WEDNESDAY))
    keys.erase(ADA, TUESDAY)
    assert keys.find(ADA, KeyId("monday")) is None
    assert keys.find(ADA, KeyId("tuesday")) is None
    assert keys.first(ADA) == key("wednesday", WEDNESDAY)
    assert keys.requested_until(ADA, TUESDAY) == ["monday", "tuesday"]
    assert [keys.voids(ADA, at) for at in (MONDAY, TUESDAY, WEDNESDAY)] == [True, True, False]
    assert not keys.voids(THEIR_ADA, MONDAY)
    assert not keys.voids(ADA._replace(person_id=PersonId("bob")), MONDAY)


def test_an_earlier_erasure_that_comes_again_changes_nothing(keys: PersonKeys) -> None:
    keys.erase(ADA, TUESDAY)
    keys.erase(ADA, MONDAY)
    assert keys.erased_at(ADA) == TUESDAY


def test_a_key_that_comes_back_after_the_erasure_is_void_and_reported(keys: PersonKeys) -> None:
    keys.issue(key("before"))
    keys.erase(ADA, TUESDAY)
    assert keys.came_back == []
    keys.issue(key("late"))
    keys.issue(key("again enrolled", WEDNESDAY))
    assert keys.came_back == [(ADA, "late")]
    assert keys.find(ADA, KeyId("late")) is None
    keys.forget(ADA, KeyId("late"))
    assert keys.came_back == []
