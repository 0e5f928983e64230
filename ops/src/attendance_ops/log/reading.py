"""The records of a selection, read once, up to where the topic ended when the reading began."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from attendance_ops.log.seen import Reader, Seen
from attendance_ops.log.selection import Selection
from attendance_ops.log.spans import Span, spans_of
from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from service_kit.kafka.bounded_reading import records_until
from service_kit.kafka.records import Record, TopicPartition
from service_kit.settings import KafkaSettings, SchemaRegistrySettings

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Log:
    """The topics of an installation, as whoever asks may see them."""

    kafka: KafkaSettings
    reader: Reader
    codec: Codec

    async def read(
        self,
        selection: Selection,
        spans: Mapping[TopicPartition, Span] | None = None,
        progress: Progress = lambda _count: None,
    ) -> AsyncGenerator[Seen, None]:
        """Yield what a selection takes, in order within a partition.

        progress: told how many records were looked at since the last call.

        Raises:
            TransientFailure: Kafka is away.
            LogLost: the log lost what is to be read while it was read.
        """
        async for records in self.read_records(selection, spans, progress, takes_all=True):
            for record in records:
                seen = await self.reader.see(record)
                if selection.takes(seen):
                    yield seen

    async def read_records(
        self,
        selection: Selection,
        spans: Mapping[TopicPartition, Span] | None = None,
        progress: Progress = lambda _count: None,
        *,
        takes_all: bool = False,
    ) -> AsyncGenerator[list[Record], None]:
        """Yield what a selection takes as it lies there, decoded only where that decides.

        takes_all: place and time alone select, whatever else the selection says. Raises as `read`.
        """
        if spans is None:
            spans = await spans_of(self.kafka, selection)
        starts = {each: span.first for each, span in spans.items()}
        ends = {each: span.end for each, span in spans.items()}
        async with aclosing(records_until(self.kafka, starts, ends)) as chunks:
            async for chunk in chunks:
                yield chunk.records if takes_all else await self.meant(selection, chunk.records)
                progress(len(chunk.records))

    async def meant(self, selection: Selection, records: list[Record]) -> list[Record]:
        """Return those of some records that a selection takes by what is in them."""
        if selection.takes_all:
            return records
        return [each for each in records if selection.takes(await self.reader.see(each))]


@asynccontextmanager
async def open_log(
    kafka: KafkaSettings, registry: SchemaRegistrySettings, *, sees_all: bool = False
) -> AsyncIterator[Log]:
    """Give the log; the registry is asked only about schemas that this version does not know."""
    async with SchemaRegistry(registry.url, registry.tls()) as schemas:
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        yield Log(kafka, Reader(codec, prefix=kafka.topic_prefix, sees_all=sees_all), codec)
