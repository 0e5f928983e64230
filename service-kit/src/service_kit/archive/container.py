"""A file of the archive: an Avro object container whose records are Kafka's, byte for byte.

Any Avro library reads it. The header says what is in it. The same records make the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import fastavro
from pydantic import ValidationError

from service_kit.archive.manifest import Contents
from service_kit.errors import ArchiveBroken
from service_kit.kafka.records import Record

CONTENTS = "archive.contents"
SCHEMA: Any = fastavro.parse_schema(
    {
        "type": "record",
        "name": "archive.Record",
        "fields": [
            {"name": "offset", "type": "long"},
            {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "key", "type": ["null", "bytes"]},
            {"name": "value", "type": ["null", "bytes"]},
            {
                "name": "headers",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "archive.Header",
                        "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": "bytes"}],
                    },
                },
            },
        ],
    }
)
_MARKER_BYTES = 16


def write_container(contents: Contents, records: Sequence[Record]) -> bytes:
    """Return the bytes of a file."""
    out = io.BytesIO()
    name = contents.series.data_name(contents.first_offset)
    fastavro.writer(
        out,
        SCHEMA,
        map(_as_fields, records),
        codec="deflate",
        metadata={CONTENTS: contents.model_dump_json()},
        sync_marker=hashlib.sha256(name.encode()).digest()[:_MARKER_BYTES],
    )
    return out.getvalue()


def read_container(name: str, data: bytes) -> tuple[Contents, list[Record]]:
    """Return what a file holds, each record as Kafka gave it.

    Raises:
        ArchiveBroken: these are not the bytes of a file of the archive.
    """
    try:
        reader = fastavro.reader(io.BytesIO(data))
        contents = Contents.model_validate_json(reader.metadata[CONTENTS])
        series = contents.series
        return contents, [_as_record(series.topic, series.partition, fields) for fields in reader]
    except ValidationError as error:
        raise ArchiveBroken(f"{name}: its header is none of this version: {error}") from error
    except Exception as error:  # fastavro raises whatever the bytes lead to
        raise ArchiveBroken(f"{name} cannot be read: {error!r}") from error


def milliseconds_of(instant: datetime) -> int:
    """Return an instant in milliseconds since 1970, as Kafka has it."""
    return round(instant.timestamp() * 1000)


def _as_fields(record: Record) -> dict[str, Any]:
    return {
        "offset": record.offset,
        "timestamp": milliseconds_of(record.timestamp),
        "key": record.key,
        "value": record.value,
        "headers": [{"name": name, "value": value} for name, value in record.headers],
    }


def _as_record(topic: str, partition: int, fields: Any) -> Record:
    return Record(
        topic=topic,
        partition=partition,
        offset=fields["offset"],
        key=fields["key"],
        value=fields["value"],
        headers=tuple((each["name"], each["value"]) for each in fields["headers"]),
        timestamp=fields["timestamp"].astimezone(UTC),
    )
