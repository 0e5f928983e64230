"""What the keys of people are asked for, role by role; KafkaPersonKeys answers all of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from recognition_worker.domain.identity import Person
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys
from service_kit.state.envelope import DataKey


class SealingKeys(Protocol):
    """Gives the key that seals a person's templates."""

    async def key_for(self, person: Person, requested_at: datetime) -> tuple[KeyId, DataKey]:
        """Return the key, acknowledged before; TransientFailure."""
        ...


class KnownKeys(Protocol):
    """Knows the keys that are on the topic."""

    @property
    def known(self) -> PersonKeys:
        """Return what is known now."""
        ...


class OpeningKeys(KnownKeys, Protocol):
    """Gives the keys that open templates."""

    async def find(self, person: Person, key_id: KeyId, read_at: float) -> PersonKey | None:
        """Return the key of a template read at a time of the loop's clock; None when it is erased."""
        ...

    def data_key(self, key: PersonKey) -> DataKey:
        """Return a key unwrapped; EnvelopeError."""
        ...


class ErasableKeys(KnownKeys, Protocol):
    """Takes keys off the topic."""

    async def erase(self, person: Person, key_id: KeyId) -> None:
        """Write the tombstone of a key; return when it is acked."""
        ...


class FollowedKeys(Protocol):
    """Tells when keys are taken away."""

    def on_erased(self, told: Callable[[Person], None]) -> Callable[[], None]:
        """Tell of each person whose keys are taken away or voided; returns how to end that."""
        ...
