"""Why a record cannot be read decides whether it is buried."""

from datetime import UTC, datetime

import pytest

from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_schemas.codec import FRAME, MAGIC, Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.kafka.records import Record

OF_A_NEWER_VERSION = Record("t", 0, 0, b"k", FRAME.pack(MAGIC, 7) + b"body", (), datetime.now(UTC))


class Away:
    """A registry that is away, or has lost everything."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def schema_by_id(self, schema_id: int) -> str:
        raise self.error

    async def id_of(self, subject: str, schema: str) -> int:
        raise self.error


@pytest.mark.parametrize("error", [RegistryUnavailable("away"), SchemaNotRegistered("emptied")])
async def test_a_registry_that_is_away_condemns_no_record_while_others_pass(error: Exception) -> None:
    reader = AvroEventReader(Codec(Away(error)))
    with pytest.raises(TransientFailure) as failed:
        await reader.read(OF_A_NEWER_VERSION)
    assert failed.value.is_contention, "else five tries while others pass bury it"


async def test_an_unknown_schema_is_poison_in_the_end() -> None:
    hours = iter(range(0, 10 * 3600, 3600))
    reader = AvroEventReader(Codec(Away(SchemaNotRegistered("id 7")), clock=lambda: next(hours)))
    with pytest.raises(TransientFailure):
        await reader.read(OF_A_NEWER_VERSION)
    with pytest.raises(PoisonRecord, match="undecodable"):
        await reader.read(OF_A_NEWER_VERSION)
