"""Records to events by the contract's codec; of the directory, tombstones too."""

from attendance_projector.projection.stored import EventOrTombstone, Tombstone
from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.topics import DIRECTORY
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import Record


class AvroEventReader:
    """`EventReader` over the codec; schemas are fetched once each."""

    def __init__(self, codec: Codec, *, prefix: str = "") -> None:
        self._codec = codec
        self._directory = prefix + DIRECTORY.name

    async def read(self, record: Record) -> EventOrTombstone:
        """Return the event of a record, or a tombstone. Raises PoisonRecord or TransientFailure."""
        if record.value is None:
            return self._tombstone(record)
        try:
            return await self._codec.decode(record.value)
        except UndecodableRecord as error:
            raise PoisonRecord("undecodable", str(error), record=record) from error
        except RegistryUnavailable as error:
            # That others pass, whose schemas are known, says nothing against this record.
            raise TransientFailure("schema-registry", str(error), is_contention=True) from error

    def _tombstone(self, record: Record) -> Tombstone:
        key = record.key or b""
        named = DIRECTORY.fields_of(key) if record.topic == self._directory else None
        if named is None:
            raise PoisonRecord(
                "tombstone", f"{record} has no value; nothing here is erased by this key", record=record
            )
        return Tombstone(*named, key=key)
