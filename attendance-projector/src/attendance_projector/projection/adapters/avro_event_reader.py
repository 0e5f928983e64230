"""Records to events by the contract's codec; of the directory tombstones, too, and dead letters as they were.

A dead letter that nobody can read is no poison once more: it is passed over.
"""

from attendance_projector.projection.stored import Beside, DeadLetter, EventOrTombstone, NoFact, Tombstone
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import Event, PersonKeysErased
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    DEAD_LETTER_SUFFIX,
    DIRECTORY,
    ENROLMENTS,
    PERSON_KEYS,
)
from service_kit.dead_letters.letters import read_origin
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import Record


class AvroEventReader:
    """`EventReader` over the codec; schemas are fetched once each."""

    def __init__(self, codec: Codec, *, prefix: str = "") -> None:
        self._codec = codec
        self._directory = prefix + DIRECTORY.name
        self._person_keys = prefix + PERSON_KEYS.name
        self._of_recognition = {prefix + topic.name for topic in (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS)}

    async def read(self, record: Record) -> EventOrTombstone | Beside:
        """Return the event of a record, or a tombstone. Raises PoisonRecord or TransientFailure."""
        if record.topic.endswith(DEAD_LETTER_SUFFIX):
            return await self._dead_letter(record)
        if record.topic == self._person_keys:
            return await self._erased(record)
        if record.topic in self._of_recognition:
            return await self._awaited(record)
        if record.value is None:
            return self._tombstone(record)
        return await self._event(record)

    async def _event(self, record: Record) -> Event:
        try:
            return await self._codec.decode(record.value)
        except UndecodableRecord as error:
            raise PoisonRecord("undecodable", str(error), record=record) from error
        except RegistryUnavailable as error:
            # That others pass, whose schemas are known, says nothing against this record.
            raise TransientFailure("schema-registry", str(error), is_contention=True) from error

    async def _dead_letter(self, record: Record) -> Beside:
        try:
            reason = read_origin(record.headers).reason
            return DeadLetter(await self._event(record), reason, record.timestamp)
        except (PoisonRecord, KeyError, ValueError):
            return NoFact()

    async def _awaited(self, record: Record) -> EventOrTombstone | Beside:
        """Return what recognition has to decide; what cannot be read is its dead letter, not another."""
        try:
            return NoFact() if record.value is None else await self._event(record)
        except PoisonRecord:
            return NoFact()

    async def _erased(self, record: Record) -> EventOrTombstone | Beside:
        """Return that a person's keys are erased; nothing else there is the projector's, nor poison."""
        try:
            event = await self._event(record)
        except PoisonRecord:
            return NoFact()
        return event if isinstance(event, PersonKeysErased) else NoFact()

    def _tombstone(self, record: Record) -> Tombstone:
        key = record.key or b""
        named = DIRECTORY.fields_of(key) if record.topic == self._directory else None
        if named is None:
            raise PoisonRecord(
                "tombstone", f"{record} has no value; nothing here is erased by this key", record=record
            )
        return Tombstone(*named, key=key)
