"""A record as an operator may see it: decoded, with a mask for what the schemas call sensitive.

A header that nobody of ours writes may hold anything, and an error may repeat any value: both are masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from attendance_ops.log import provenance
from attendance_schemas.codec import Codec
from attendance_schemas.errors import SchemaError, SchemaUnknown, UndecodableRecord
from attendance_schemas.events import to_fields
from attendance_schemas.headers import DECISION_ROUND
from attendance_schemas.sensitivity import MASK, masked, masked_key, sensitive_values
from attendance_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS
from service_kit.dead_letters.letters import HEADER_PREFIX, Origin, read_origin
from service_kit.kafka.records import Record
from service_kit.observing.telemetry import CORRELATION_ID, PRODUCER, TRACEPARENT
from service_kit.views import record_versions

ERROR = f"{HEADER_PREFIX}error"
_OF_OURS = frozenset(
    {
        *(TRACEPARENT, CORRELATION_ID, PRODUCER, DECISION_ROUND, record_versions.HEADER),
        *(provenance.JOB, provenance.ORIGIN, provenance.ATTEMPT),
    }
)
# What errors quote, as `repr` or JSON write it.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


@dataclass(frozen=True, slots=True)
class Seen:
    """A record, and what may be shown and searched of it.

    topic: without the prefix of the installation. fields: empty when `problem` says why it cannot be read.
    origin: of a dead letter.
    """

    record: Record
    topic: str
    key: str
    event: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    origin: Origin | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Name it as every command takes it: topic:partition:offset."""
        return f"{self.topic}:{self.record.partition}:{self.record.offset}"

    def value_at(self, path: str) -> list[str]:
        """Return what stands at a field (`image.sha256`, `device_id`), as text; of a list, of each part."""
        return [str(each) for each in _at(self.fields, path.split("."))]

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "topic": self.topic,
            "partition": self.record.partition,
            "offset": self.record.offset,
            "at": self.record.timestamp.isoformat(),
            "key": self.key,
            "headers": dict(self.headers),
            "event": self.event,
            "fields": self.fields,
            "problem": self.problem,
        }


class Reader:
    """Decodes records.

    prefix: of this installation's topics. sees_all: whether whoever asks may see what is sensitive.
    """

    def __init__(self, codec: Codec, *, prefix: str = "", sees_all: bool = False) -> None:
        self._codec = codec
        self._prefix = prefix
        self._sees_all = sees_all

    async def see(self, record: Record) -> Seen:
        """Return what may be seen of a record; one that cannot be read says why.

        Raises:
            RegistryUnavailable: a schema that this version does not know cannot be asked for.
        """
        topic = record.topic.removeprefix(self._prefix)
        origin = _origin_of(record) if topic.endswith(DEAD_LETTER_SUFFIX) else None
        known = TOPICS.get(topic.removesuffix(DEAD_LETTER_SUFFIX))
        key = (record.key or b"").decode("utf-8", "replace")
        if not self._sees_all:
            key = MASK if known is None else masked_key(known, record.key or b"")
        event = problem = None
        fields: dict[str, Any] = {}
        hidden: set[str] = set()
        if record.value is None:
            event = "tombstone"
        else:
            try:
                decoded = await self._codec.decode(record.value)
            except (UndecodableRecord, SchemaUnknown) as error:
                problem = self._of_what_cannot_be_read(record, error)
            else:
                event = type(decoded).__name__
                fields = msgspec.to_builtins(to_fields(decoded))
                if not self._sees_all:
                    hidden = sensitive_values(event, fields) if origin is not None else set()
                    fields = masked(event, fields)
        return Seen(
            record=record,
            topic=topic,
            key=key,
            event=event,
            fields=fields,
            problem=problem,
            origin=origin,
            headers=self._headers(record, hidden, is_read=problem is None),
        )

    async def reads(self, record: Record) -> bool:
        """Tell whether the frame of a value names a schema of an event; the body is not looked at.

        Raises:
            RegistryUnavailable: a schema that this version does not know cannot be asked for.
        """
        try:
            return record.value is None or await self._codec.names_an_event(record.value)
        except SchemaUnknown:
            return False

    def _of_what_cannot_be_read(self, record: Record, error: SchemaError) -> str:
        # The reason may quote the value.
        size = len(record.value or b"")
        return str(error) if self._sees_all else f"{size} bytes that do not read as an event"

    def _headers(self, record: Record, hidden: set[str], *, is_read: bool) -> dict[str, str]:
        """Return the headers as text, of those alone that our services write."""
        found = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        if self._sees_all:
            return found
        shown = {
            name: text if name in _OF_OURS or name.startswith(HEADER_PREFIX) else MASK
            for name, text in found.items()
        }
        if ERROR in found:
            shown[ERROR] = _without(found[ERROR], hidden) if is_read else MASK
        return shown


def _without(text: str, hidden: set[str]) -> str:
    """Return an error without what is hidden, in whatever case and escapes, and without what it quotes."""
    spelled = {form for value in hidden for form in _spellings(value)}
    for form in sorted(spelled, key=len, reverse=True):
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
    return _QUOTED.sub(lambda quoted: f"{quoted[0][0]}{MASK}{quoted[0][-1]}", text)


def _spellings(value: str) -> tuple[str, ...]:
    """Return a value as it is, and as `repr` and JSON write it, with and without what is no ASCII."""
    quoted = (repr(value), ascii(value), json.dumps(value), json.dumps(value, ensure_ascii=False))
    return value, *(form[1:-1] for form in quoted)


def _origin_of(record: Record) -> Origin | None:
    try:
        return read_origin(record.headers)
    except (KeyError, ValueError):
        return None


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for part in value:
            yield from _at(part, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
