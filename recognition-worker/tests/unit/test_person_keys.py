from datetime import UTC, datetime, timedelta

import pytest

from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys

ORG, ADA = OrgId("acme"), PersonId("ada")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


def key(name: str, requested_at: datetime = MONDAY, *, org: str = "acme", wrapped: str = "k1") -> PersonKey:
    return PersonKey(OrgId(org), ADA, KeyId(name), wrapped, b"...", requested_at)


@pytest.fixture
def keys() -> PersonKeys:
    return PersonKeys()


def test_the_first_key_of_the_log_seals_and_every_key_opens(keys: PersonKeys) -> None:
    for name in ("b", "a"):
        keys.issue(key(name))
    assert keys.first(ORG, ADA) == key("b")
    assert keys.find(ADA, KeyId("a")) == key("a")
    keys.issue(key("b", wrapped="k2"))
    assert keys.first(ORG, ADA) == key("b", wrapped="k2")
    assert keys.wrapped_with() == {"k1": 1, "k2": 1}


def test_a_key_of_another_organisation_does_not_seal(keys: PersonKeys) -> None:
    keys.issue(key("theirs", org="globex"))
    assert keys.first(ORG, ADA) is None
    assert keys.requested_until(ORG, ADA, WEDNESDAY) == []


def test_a_tombstone_takes_a_key_away(keys: PersonKeys) -> None:
    keys.issue(key("a"))
    assert keys.forget(ADA, KeyId("a"))
    assert not keys.forget(ADA, KeyId("a"))
    assert keys.find(ADA, KeyId("a")) is None
    assert keys.first(ORG, ADA) is None
    assert list(keys) == []


def test_an_erasure_voids_what_was_requested_until_then_and_nothing_later(keys: PersonKeys) -> None:
    keys.issue(key("monday"))
    keys.issue(key("tuesday", TUESDAY))
    keys.issue(key("wednesday", WEDNESDAY))
    keys.erase(ORG, ADA, TUESDAY)
    assert keys.find(ADA, KeyId("monday")) is None
    assert keys.find(ADA, KeyId("tuesday")) is None
    assert keys.first(ORG, ADA) == key("wednesday", WEDNESDAY)
    assert keys.requested_until(ORG, ADA, TUESDAY) == ["monday", "tuesday"]
    assert [keys.voids(ORG, ADA, at) for at in (MONDAY, TUESDAY, WEDNESDAY)] == [True, True, False]
    assert not keys.voids(OrgId("globex"), ADA, MONDAY)
    assert not keys.voids(ORG, PersonId("bob"), MONDAY)


def test_an_earlier_erasure_that_comes_again_changes_nothing(keys: PersonKeys) -> None:
    keys.erase(ORG, ADA, TUESDAY)
    keys.erase(ORG, ADA, MONDAY)
    assert keys.erased_at(ORG, ADA) == TUESDAY


def test_a_key_that_comes_back_after_the_erasure_is_void_and_reported(keys: PersonKeys) -> None:
    keys.issue(key("before"))
    keys.erase(ORG, ADA, TUESDAY)
    assert keys.came_back == []
    keys.issue(key("late"))
    keys.issue(key("again enrolled", WEDNESDAY))
    assert keys.came_back == [(ADA, "late")]
    assert keys.find(ADA, KeyId("late")) is None
    keys.forget(ADA, KeyId("late"))
    assert keys.came_back == []
