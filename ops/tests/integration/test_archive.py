"""The archive by the command alone: byte for byte, exactly once whoever is killed, and loud about what is lost."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest
from pydantic import SecretStr

from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import MATCHES, PUNCHES
from local_stack.environment import StackEnv
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import ObjectStoreAccess
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}
KILLS = int(os.environ.get("ARCHIVE_KILLS", "5"))


def matches(count: int) -> list:
    return [
        msgspec.structs.replace(
            GOLDEN["MatchDecided/identified"],
            event_id=uuid4(),
            capture_id=uuid4(),
            device_id=f"g-{number % 4}",
        )
        for number in range(count)
    ]


@pytest.fixture
async def archive(stack: StackEnv, bucket: str) -> AsyncIterator[Archive]:
    store = ObjectStore(
        ObjectStoreAccess(
            endpoint=stack.object_store_endpoint,
            access_key=stack.object_store_access_key,
            secret_key=SecretStr(stack.object_store_secret_key),
        )
    )
    yield Archive(store, bucket)
    await store.close()


async def archived_records(archive: Archive, topic: str) -> list[Record]:
    """Return every record of the archive of a topic (full name), as its files have them."""
    found = []
    for listed in await archive.listed(topic):
        series = Series(
            topic=listed.topic,
            topic_id=listed.topic_id,
            cluster_id="",
            partition=listed.partition,
            snapshot_end=listed.snapshot_end,
        )
        for first in listed.data:
            found += await archive.records(await archive.manifest(series, first))
    return found


async def test_records_come_back_byte_for_byte(archived, archive: Archive) -> None:
    await archived.publish(MATCHES, matches(25), (("correlation-id", b"\xff\x00"), ("n", b"")))
    punch = archived.encoded(GOLDEN["PunchSubmitted/badge"], PUNCHES)
    await archived.bury(punch, "fails-alone")
    odd = OutgoingRecord(
        archived.kafka.topic(f"{PUNCHES.name}.dlq"), None, b"\x00no event", (("x", b"\xfe"),)
    )
    await archived.producer.send(odd)
    first = (await archived.done("archive", "once", "--records", 4, "--json")).json()
    assert (first["records"], first["lost"], first["problems"]) == (27, 0, [])
    assert first["files"] >= 25 // 4
    for topic in (MATCHES.name, f"{PUNCHES.name}.dlq"):
        there = await archived.records(topic)
        kept = await archived_records(archive, archived.kafka.topic(topic))

        def shape(records: list[Record]) -> list:
            return sorted(
                (each.partition, each.offset, each.key or b"", each.value, each.headers, each.timestamp)
                for each in records
            )

        assert shape(kept) == shape(there)
    again = (await archived.done("archive", "once", "--json")).json()
    assert (again["records"], again["files"]) == (0, 0)
    verified = (await archived.done("archive", "verify", "--json")).json()
    assert (verified["records"], verified["missing"], verified["duplicate"]) == (27, 0, 0)
    (await archived.done("archive", "list")).out.index("attendance.matches")
