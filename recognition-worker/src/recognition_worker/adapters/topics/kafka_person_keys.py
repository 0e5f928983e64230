"""The data keys of people on `attendance.person-keys`: followed, issued, and erased.

The topic has one partition. A worker that issues a key writes it, reads up to it, and then takes the person's
first key: two workers that race agree on one, and the key is acknowledged before any template that needs it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import PersonKeyIssued, PersonKeysErased
from attendance_schemas.identity import deterministic_id
from attendance_schemas.topics import PERSON_KEYS
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.adapters.topics.sealed_templates import unwrap, wrap
from recognition_worker.adapters.turns import Turns
from recognition_worker.domain.identity import Person
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys
from recognition_worker.errors import KeysRefused
from recognition_worker.recognition.record_keys import record_key, split_key
from service_kit.errors import TransientFailure
from service_kit.kafka.producer import Sender
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.observing.logs import get_logger
from service_kit.observing.telemetry import inject_headers
from service_kit.settings import KafkaSettings
from service_kit.state.envelope import DataKey, KeyRing

log = get_logger(__name__)

# The slowest answer that is no outage; an enrolment waits for it, captures do not.
CATCH_UP_LIMIT = timedelta(seconds=10)


class KafkaPersonKeys:
    """Keys of people; `PERSON_KEYS` must be prepared in the codec. `known` is what the topic says."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        producer: Sender,
        ring: KeyRing,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.known = PersonKeys()
        self._told_of_erasures: list[Callable[[Person], None]] = []
        self._kafka = kafka
        self._codec = codec
        self._producer = producer
        self._ring = ring
        self._now = now
        self._topic = followed(kafka, PERSON_KEYS, self.apply)
        self._current_as_of = float("-inf")
        self._issuing = Turns()

    def on_erased(self, told: Callable[[Person], None]) -> Callable[[], None]:
        """Tell of each person whose keys are taken away or voided; returns how to end that."""
        self._told_of_erasures.append(told)

        def end() -> None:
            if told in self._told_of_erasures:
                self._told_of_erasures.remove(told)

        return end

    async def start(self, *, refuse_unknown: bool = True) -> None:
        """Return when all keys are known; go on in the background.

        Raises:
            TransientFailure: Kafka or the registry is away; call again.
            KeysRefused: keys are wrapped with a key-encryption key that is not configured; do not start.
        """
        self.known = PersonKeys()
        await self._topic.start()
        missing = {
            key_id: count
            for key_id, count in self.known.wrapped_with().items()
            if not self._ring.knows(key_id)
        }
        if missing and refuse_unknown:
            counts = ", ".join(f"{count} with {key_id}" for key_id, count in sorted(missing.items()))
            raise KeysRefused(
                f"keys of people are wrapped with key-encryption keys that are not configured ({counts}); "
                "without them these people are not recognised. Add them to TEMPLATE_ENCRYPTION_KEYS after "
                "the first, or, when they are lost, run `re-encrypt --forget-unreadable` and enrol again"
            )

    async def stop(self) -> None:
        """Stop following."""
        await self._topic.stop()

    async def check(self) -> None:
        """Raise unless the keys are complete and followed; for readiness."""
        await self._topic.check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises the bug that it died of."""
        await self._topic.join()

    async def catch_up(self) -> None:
        """Return when all that is on the topic now is known. Raises TransientFailure."""
        began = asyncio.get_running_loop().time()
        await self._topic.caught_up(CATCH_UP_LIMIT)
        self._current_as_of = max(self._current_as_of, began)

    async def voids(self, person: Person, requested_at: datetime) -> bool:
        """Say whether an enrolment was erased, by any worker until now. Raises TransientFailure."""
        await self.catch_up()
        return self.known.voids(person, requested_at)

    async def find(self, person: Person, key_id: KeyId, read_at: float) -> PersonKey | None:
        """Return the key of a template that was read at a time of the loop's clock; None when it is erased.

        A key is acknowledged before its templates: when it is not known yet, the topic holds it.
        """
        if (key := self.known.find(person, key_id)) is None and read_at >= self._current_as_of:
            await self.catch_up()
            key = self.known.find(person, key_id)
        return key

    async def key_for(self, person: Person, requested_at: datetime) -> tuple[KeyId, DataKey]:
        """Return the key that seals a person's templates; issue it when they have none.

        Raises:
            TransientFailure: Kafka is away, or the person was erased at this moment; try again.
        """
        key = self.known.first(person)
        if key is None and not self.known.voids(person, requested_at):
            async with self._issuing.turn(person):
                await self._issue(person, requested_at)
            key = self.known.first(person)
        if key is None:
            raise TransientFailure("person-keys", "erased meanwhile")
        return key.key_id, unwrap(self._ring, key)

    async def rewrap(self, key: PersonKey) -> bool:
        """Wrap a key with the first key-encryption key; return whether that was necessary.

        Catch up before: one that is erased must not be written again.
        """
        if key.wrapped_with == self._ring.current_id or self.known.find(key.person, key.key_id) is None:
            return False
        await self._write(key.person, key.key_id, unwrap(self._ring, key), key.requested_at)
        return True

    def opens(self, key: PersonKey) -> bool:
        """Say whether the key-encryption key of a key is configured."""
        return self._ring.knows(key.wrapped_with)

    def data_key(self, key: PersonKey) -> DataKey:
        """Return a key unwrapped. Raises EnvelopeError."""
        return unwrap(self._ring, key)

    async def void(
        self, person: Person, erased_at: datetime, *, completed_at: datetime | None = None
    ) -> datetime:
        """Write that all that was requested until `erased_at` is void; return when this worker knows it.

        Returns until when it is void: a later erasure that is known stays in force, and is not called
        complete for this one. Raises TransientFailure.
        """
        await self.catch_up()
        until = max(erased_at, self.known.erased_at(person) or erased_at)
        if completed_at is not None and until > erased_at:
            return until
        event = PersonKeysErased(
            event_id=deterministic_id("PersonKeysErased", *person, until.isoformat()),
            occurred_at=until,
            recorded_at=self._now(),
            org_id=person.org_id,
            person_id=person.person_id,
            completed_at=completed_at,
        )
        await self._send(PERSON_KEYS.key_of(event), self._codec.encode(event, PERSON_KEYS))
        return until

    async def requested_until(self, person: Person, instant: datetime) -> list[KeyId]:
        """Return the keys of a person that an erasure takes away. Raises TransientFailure."""
        await self.catch_up()
        return self.known.requested_until(person, instant)

    async def erase(self, person: Person, key_id: KeyId) -> None:
        """Write the tombstone of a key; return when it is acked. Raises TransientFailure."""
        await self._send(record_key(person, key_id), None)

    def _tell_of_erasure(self, person: Person) -> None:
        for told in self._told_of_erasures:
            told(person)

    async def apply(self, record: Record, _read_at: float = 0.0) -> None:
        """Apply one record; one that is no key is logged and left out. Raises RegistryUnavailable."""
        try:
            person, last = split_key(record.key)
            key_id = KeyId(last)
            if record.value is None:
                if self.known.forget(person, key_id):
                    self._tell_of_erasure(person)
                return
            event = await self._codec.decode(record.value)
            if not isinstance(event, PersonKeyIssued | PersonKeysErased):
                raise UndecodableRecord(f"a {type(event).__name__} is no key")
            if PERSON_KEYS.key_of(event) != record.key:
                raise UndecodableRecord("the record key is not the key of the event")
        except (UndecodableRecord, ValueError) as error:
            # The type alone: what a codec says may quote what it could not read.
            log.error(  # noqa: TRY400
                "a person's key was left out", record=str(record), error=type(error).__name__
            )
            return
        if isinstance(event, PersonKeysErased):
            self.known.erase(person, event.occurred_at)
            self._tell_of_erasure(person)
        else:
            self.known.issue(
                PersonKey(
                    person=person,
                    key_id=key_id,
                    wrapped_with=event.wrapped_with,
                    wrapped_key=event.wrapped_key,
                    requested_at=event.occurred_at,
                )
            )

    async def _issue(self, person: Person, requested_at: datetime) -> None:
        await self.catch_up()
        if self.known.first(person) is None:
            await self._write(person, KeyId(str(uuid4())), DataKey.new(), requested_at)

    async def _write(self, person: Person, key_id: KeyId, data_key: DataKey, requested_at: datetime) -> None:
        wrapped = wrap(self._ring, data_key, person, key_id)
        event = PersonKeyIssued(
            event_id=deterministic_id("PersonKeyIssued", key_id, wrapped.wrapped_with),
            occurred_at=requested_at,
            recorded_at=self._now(),
            org_id=person.org_id,
            person_id=person.person_id,
            key_id=UUID(key_id),
            wrapped_with=wrapped.wrapped_with,
            wrapped_key=wrapped.sealed,
        )
        await self._send(PERSON_KEYS.key_of(event), self._codec.encode(event, PERSON_KEYS))

    async def _send(self, key: bytes, value: bytes | None) -> None:
        position = await self._producer.send(
            OutgoingRecord(self._kafka.topic(PERSON_KEYS.name), key, value, tuple(inject_headers()))
        )
        if not await self._topic.reached(position, CATCH_UP_LIMIT):
            raise TransientFailure("kafka", f"a key was not read back in {CATCH_UP_LIMIT}")
