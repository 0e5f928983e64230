"""Put a trial together: the records that a file names, the live tables, and what comes out."""

from collections import defaultdict
from contextlib import aclosing
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec

from attendance_projector.effect.adapters.postgres_trial import open_trial_tables
from attendance_projector.effect.tell_effect import Effect, tell_effect
from attendance_projector.errors import ProjectorError
from attendance_projector.projection.adapters.avro_event_reader import AvroEventReader
from attendance_projector.projection.adapters.postgres_read_model import LOCK_TIMEOUT
from attendance_projector.settings import Settings
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CORRECTIONS, ENROLMENT_RESULTS, MATCHES, PUNCHES
from service_kit.archive.store import open_archive
from service_kit.archive.whole_log import WholeLog
from service_kit.kafka.noted_offsets import why_not_of
from service_kit.kafka.records import Record, TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity

# One transaction applies them all, and the live projector waits for it: a few seconds.
MOST_RECORDS = 10_000
# Of captures, recognition decides first what they come to.
TARGETS = frozenset({MATCHES.name, PUNCHES.name, CORRECTIONS.name, ENROLMENT_RESULTS.name})


Partition = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,6}$")]
Offset = Annotated[int, msgspec.Meta(ge=0)]


class Places(msgspec.Struct, frozen=True):
    """What a plan of `attendance-ops replay plan` says of its records; offsets by partition."""

    topic: str
    topic_id: UUID
    cluster_id: str
    target: str
    offsets: dict[Partition, Annotated[tuple[Offset, ...], msgspec.Meta(min_length=1)]] = {}


class NoEffectTold(ProjectorError):
    """The effect cannot be told; the message says why, and what can be done."""


async def effect_of(settings: Settings, file: Path) -> Effect:
    """Return what the records that a plan names would change, if they were applied now.

    Raises:
        NoEffectTold: the plan does not name them, or not this service applies them.
        LogLost: the log does not have them any more.
        TransientFailure: a server is away.
    """
    places = _read(file)
    async with open_archive(settings.archive.bucket) as archive:
        records = await _records(WholeLog(settings.kafka, archive), places)
    url = settings.database.url.get_secret_value()
    async with (
        SchemaRegistry(settings.registry.url, settings.registry.tls()) as registry,
        open_trial_tables(url, LOCK_TIMEOUT) as tables,
    ):
        reader = AvroEventReader(
            Codec(registry, prefix=settings.kafka.topic_prefix), prefix=settings.kafka.topic_prefix
        )
        return await tell_effect(tables, reader, records)


def _read(file: Path) -> Places:
    try:
        places = msgspec.json.decode(file.read_bytes(), type=Places)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NoEffectTold(f"{file} is no plan of `attendance-ops replay plan`: {error}") from error
    if places.target not in TARGETS:
        raise NoEffectTold(
            f"what records of {places.target} come to, this service does not decide; "
            f"it does of {', '.join(sorted(TARGETS))}"
        )
    if places.topic != places.target:
        raise NoEffectTold(f"{places.topic} does not go to {places.target}; make the plan anew")
    if not places.offsets or sum(map(len, places.offsets.values())) > MOST_RECORDS:
        raise NoEffectTold(
            f"the effect of up to {MOST_RECORDS:,} records is told; plan less, or compare with a rebuild"
        )
    return places


async def _records(whole: WholeLog, places: Places) -> list[Record]:
    """Return the records."""
    kafka = whole.kafka
    source, found = kafka.topic(places.topic), defaultdict(list)
    wanted = {TopicPartition(source, int(each)): set(offsets) for each, offsets in places.offsets.items()}
    starts = {each: min(offsets) for each, offsets in wanted.items()}
    ends = {each: max(offsets) + 1 for each, offsets in wanted.items()}
    identity = TopicIdentity(places.cluster_id, places.topic_id)
    if (why := await why_not_of(kafka, source, identity, ends)) is not None:
        raise NoEffectTold(f"{why}; make the plan anew")
    async with aclosing(whole.records_until(starts, ends)) as chunks:
        async for chunk in chunks:
            for record in chunk.records:
                if record.offset in wanted[record.topic_partition]:
                    found[record.partition].append(record)
    return [record for each in sorted(found) for record in found[each]]
