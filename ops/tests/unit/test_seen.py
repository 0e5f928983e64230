"""What somebody without the role sees of a record, and can find by what is in it."""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from attendance_ops.log.seen import Reader, Seen
from attendance_ops.log.selection import Selection
from attendance_schemas.codec import Codec, encode_body
from attendance_schemas.events import Event
from attendance_schemas.golden import golden_examples
from attendance_schemas.schema_files import id_of_text, schema_text
from attendance_schemas.sensitivity import MASK, sensitive_values
from attendance_schemas.topics import TOPICS
from service_kit.dead_letters.letters import Origin, dead_letter_headers
from service_kit.kafka.records import Headers, Record

GOLDEN = {name: event for name, event, _ in golden_examples()}
AT = datetime(2026, 11, 30, tzinfo=UTC)
TOPIC_OF = {name: topic for topic in TOPICS.values() for name in topic.events}


class NoRegistry:
    """This version knows every schema that it writes."""

    async def schema_by_id(self, schema_id: int) -> str:
        raise AssertionError(f"asked for {schema_id}")

    async def id_of(self, subject: str, schema: str) -> int:
        return id_of_text(schema)


def record_of(event: Event, topic: str, headers: Headers = ()) -> Record:
    name = type(event).__name__
    value = struct.pack(">bI", 0, id_of_text(schema_text(name))) + encode_body(event)
    return Record(f"p.{topic}", 1, 41, TOPIC_OF[name].key_of(event), value, headers, AT)


def reader(*, sees_all: bool = False) -> Reader:
    return Reader(Codec(NoRegistry(), prefix="p."), prefix="p.", sees_all=sees_all)


def texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for part in value.values():
                yield from texts(part)
        case list() | tuple():
            for part in value:
                yield from texts(part)
        case _:
            yield str(value)


def everything(seen: Seen) -> set[str]:
    return set(texts(seen.as_json()))


@pytest.mark.parametrize("name", GOLDEN)
async def test_what_is_masked_is_nowhere_and_found_by_no_filter(name: str) -> None:
    event = GOLDEN[name]
    topic = TOPIC_OF[type(event).__name__].name
    whole = await reader(sees_all=True).see(record_of(event, topic))
    seen = await reader().see(record_of(event, topic))
    assert seen.event == whole.event == type(event).__name__
    hidden = sensitive_values(type(event).__name__, dict(whole.fields))
    # What is also an id that is shown elsewhere, as of a punch that a supervisor made, is no secret.
    hidden -= {text for path in ("person_id", "device_id") for text in seen.value_at(path)}
    for secret in hidden:
        assert secret not in everything(seen)
        assert not Selection(topic, key=secret).takes(seen)
        for path in paths(dict(whole.fields)):
            assert not Selection(topic, where={path: secret}).takes(seen)
            if secret in whole.value_at(path):
                assert Selection(topic, where={path: secret}).takes(whole)


def paths(fields: dict[str, Any], at: str = "") -> Iterator[str]:
    for name, value in fields.items():
        path = f"{at}.{name}" if at else name
        yield path
        match value:
            case dict():
                yield from paths(value, path)
            case [dict() as first, *_]:
                yield from paths(first, path)


@pytest.mark.parametrize(
    "error",
    [
        "badge {} twice",
        "badge {!r} twice",
        'no badge "\\u00e4 {}"',
        "BADGE 'x{} y' twice",
    ],
)
async def test_an_error_masks_a_badge_however_it_is_spelled(error: str) -> None:
    event = msgspec.structs.replace(GOLDEN["PunchSubmitted/badge"], credential="Zoë\n7f")
    for text in (error, ascii(error)[1:-1]):
        for badge in (
            event.credential,
            event.credential.upper(),
            ascii(event.credential)[1:-1],
            r"Zo\u00EB\n7F",
            repr(event.credential.upper()),
        ):
            origin = Origin("fails-alone", text.format(badge), 5, "p.attendance.punches", 0, 7, "s", "1", AT)
            seen = await reader().see(record_of(event, "attendance.punches.dlq", dead_letter_headers(origin)))
            assert MASK in seen.headers["dlq-error"]
            assert not re.search("zo|7f", seen.headers["dlq-error"], re.IGNORECASE), seen.headers["dlq-error"]


async def test_a_header_of_somebody_else_is_masked_and_found_by_no_filter() -> None:
    headers = (("name", b"Ada"), ("traceparent", b"00-1"), ("replay-job", b"j"))
    record = record_of(GOLDEN["PunchSubmitted/badge"], "attendance.punches", headers)
    seen = await reader().see(record)
    assert seen.headers == {"name": MASK, "traceparent": "00-1", "replay-job": "j"}
    assert not Selection("attendance.punches", headers={"name": "Ada"}).takes(seen)
    assert Selection("attendance.punches", headers={"name": "Ada"}).takes(
        await reader(sees_all=True).see(record)
    )


async def test_an_error_that_repeats_a_badge_is_masked() -> None:
    event = GOLDEN["PunchSubmitted/badge"]
    badge = event.credential
    origin = Origin("fails-alone", f"badge {badge} twice", 5, "p.attendance.punches", 0, 7, "s", "1", AT)
    headers = (("producer", b"me"), *dead_letter_headers(origin))
    seen = await reader().see(record_of(event, "attendance.punches.dlq", headers))
    assert seen.headers["dlq-error"] == f"badge {MASK} twice"
    assert seen.headers["producer"] == "me"
    assert seen.origin is not None
    assert seen.origin.reason == "fails-alone"
    assert badge not in everything(seen)


async def test_bytes_that_do_not_read_are_not_shown() -> None:
    origin = Origin("undecodable", "no: b'Ada Lovelace'", 1, "p.attendance.punches", 0, 7, "s", "1", AT)
    record = Record(
        "p.attendance.punches.dlq", 0, 1, b"Ada Lovelace", b"Ada Lovelace", dead_letter_headers(origin), AT
    )
    seen = await reader().see(record)
    assert not any("Ada" in text for text in everything(seen))
    assert seen.problem == "12 bytes that do not read as an event"
    whole = await reader(sees_all=True).see(record)
    assert whole.key == "Ada Lovelace"
    assert "Confluent framing" in (whole.problem or "")


async def test_a_tombstone_has_no_fields() -> None:
    seen = await reader().see(Record("p.attendance.directory", 0, 1, b"acme:person:p-1", None, (), AT))
    assert (seen.event, seen.fields, seen.key) == ("tombstone", {}, "acme:person:p-1")
