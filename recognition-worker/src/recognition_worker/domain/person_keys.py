"""Which data keys people have, and which enrolments their erasure made void.

A person's first key in the order of the log is the one that seals; each template names its key, so a second
key, made by a worker that lost a race, hides nobody. An erasure voids all that was requested until its
instant: also keys, templates and enrolments that are written or asked for again later. The caller opens
wrapped keys.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from recognition_worker.domain.identity import Person

KeyId = NewType("KeyId", str)


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A data key of a person, wrapped. requested_at: UTC instant of the enrolment that it was issued for."""

    person: Person
    key_id: KeyId
    wrapped_with: str
    wrapped_key: bytes
    requested_at: datetime


class PersonKeys:
    """All keys and erasures, in the order in which they came."""

    def __init__(self) -> None:
        self._keys: dict[Person, dict[KeyId, PersonKey]] = {}
        self._erased_at: dict[Person, datetime] = {}
        self._void: set[tuple[Person, KeyId]] = set()

    def issue(self, key: PersonKey) -> None:
        """Take in a key; the same one again, wrapped anew, keeps its place."""
        self._keys.setdefault(key.person, {})[key.key_id] = key
        if self._is_void(key):
            self._void.add((key.person, key.key_id))

    def forget(self, person: Person, key_id: KeyId) -> bool:
        """Forget a key (a tombstone); return whether it was there."""
        self._void.discard((person, key_id))
        keys = self._keys.get(person, {})
        found = keys.pop(key_id, None) is not None
        if not keys:
            self._keys.pop(person, None)
        return found

    def erase(self, person: Person, erased_at: datetime) -> None:
        """Void what was requested until `erased_at`, now and from now on."""
        self._erased_at[person] = max(erased_at, self._erased_at.get(person, erased_at))

    def erased_at(self, person: Person) -> datetime | None:
        """Return the instant until which everything of a person is void; None when never erased."""
        return self._erased_at.get(person)

    def erasures(self) -> Iterable[tuple[Person, datetime]]:
        """Return who was erased, and until when."""
        return self._erased_at.items()

    def voids(self, person: Person, requested_at: datetime) -> bool:
        """Say whether an enrolment requested at this instant was erased."""
        erased_at = self._erased_at.get(person)
        return erased_at is not None and requested_at <= erased_at

    def find(self, person: Person, key_id: KeyId) -> PersonKey | None:
        """Return a key; None when it is not there, or void."""
        key = self._keys.get(person, {}).get(key_id)
        return key if key is not None and not self._is_void(key) else None

    def first(self, person: Person) -> PersonKey | None:
        """Return the key that seals a person's templates; None when they have none."""
        keys = self._keys.get(person, {}).values()
        return next((key for key in keys if not self._is_void(key)), None)

    def requested_until(self, person: Person, instant: datetime) -> list[KeyId]:
        """Return the keys of a person that an erasure at this instant takes away."""
        return [key.key_id for key in self._keys.get(person, {}).values() if key.requested_at <= instant]

    @property
    def came_back(self) -> list[tuple[Person, KeyId]]:
        """Return keys that were written after their person's erasure: somebody has to erase them again."""
        return list(self._void)

    def wrapped_with(self) -> Counter[str]:
        """Count the keys by the key-encryption key that wraps them."""
        return Counter(key.wrapped_with for key in self)

    def __iter__(self) -> Iterator[PersonKey]:
        return (key for keys in self._keys.values() for key in keys.values())

    def _is_void(self, key: PersonKey) -> bool:
        return self.voids(key.person, key.requested_at)
