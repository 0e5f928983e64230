"""Records to events by the contract's codec."""

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import Event
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.records import Record


class AvroEventReader:
    """`EventReader` over the codec; schemas are fetched once each."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def read(self, record: Record) -> Event:
        """Return the event of a record. Raises PoisonRecord or TransientFailure."""
        if record.value is None:
            raise PoisonRecord(
                "tombstone", f"{record} has no value; nothing here is erased by key", record=record
            )
        try:
            return await self._codec.decode(record.value)
        except UndecodableRecord as error:
            raise PoisonRecord("undecodable", str(error), record=record) from error
        except RegistryUnavailable as error:
            raise TransientFailure("schema-registry", str(error)) from error
