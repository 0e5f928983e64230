"""A record arrives after what was recorded later: a revoked device stays revoked, for every reader."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import httpx
import pytest

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY
from local_stack.running.stack import Stack
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

LATE_SECONDS = 9
KIOSK = {"name": "Gate", "kind": "KIOSK"}


@pytest.fixture
async def proxies(stack_control: Stack) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(stack_control.start_service, "toxiproxy")
    async with httpx.AsyncClient(base_url=stack_control.toxiproxy_url) as client:
        yield client
        (await client.post("/reset")).raise_for_status()


@pytest.fixture
def far_settings(stack_control: Stack, settings):
    """Return the settings of an ingest that reaches Kafka through the proxy."""
    servers = stack_control.env_through_proxies.kafka_bootstrap_servers
    return settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": servers})}
    )


async def of_key(ingest, key: str) -> list[Record]:
    kafka = ingest.settings.kafka
    records = records_of(kafka, kafka.topic(DIRECTORY.name))
    return [record async for record in records if record.key == key.encode()]


async def revoked_of(ingest, records: list[Record]) -> list[bool]:
    async with SchemaRegistry(ingest.settings.schema_registry.url) as registry:
        codec = Codec(registry)
        return [(await codec.decode(record.value)).revoked for record in records]


async def is_revoked(ingest, gate: str) -> bool:
    answer = await ingest.client.post("/v1/captures", headers=ingest.bearer(gate, "device"))
    return answer.json().get("type") == "urn:problem:revoked-device"


async def test_a_record_that_lands_late_does_not_undo_a_revocation(
    start, settings, far_settings, proxies, poll
):
    async with start(settings) as near, start(far_settings) as far:
        far.org_id = near.org_id
        gate = await near.furnish()
        device, key = KIOSK | {"site_id": near.own("pune")}, f"{near.org_id}:device:{gate}"
        await poll(lambda: is_known(far, gate))
        await far.put("devices", gate, **device | {"name": "Gate 1"})

        # What the far one sends from now on is under way for long.
        toxic = {"type": "latency", "stream": "upstream", "attributes": {"latency": LATE_SECONDS * 1000}}
        (await proxies.post("/proxies/kafka/toxics", json=toxic)).raise_for_status()
        headers, url = far.bearer("ops-1", "ops"), f"/v1/directory/devices/{gate}"
        late = await far.client.put(url, headers=headers, json=device | {"name": "Gate 2"})
        assert (late.status_code, late.json()["type"]) == (503, "urn:problem:temporarily-unavailable")
        await near.put("devices", gate, **device | {"name": "Gate 1", "revoked": True})
        assert await is_revoked(near, gate)
        before = len(await of_key(near, key))

        # It lands, and one of the two says again what counts.
        await poll(lambda: longer(near, key, before + 2))
        (await proxies.post("/reset")).raise_for_status()
        last = await revoked_of(near, (await of_key(near, key))[-3:])
        assert last == [True, False, True]
        for each in (near, far):
            await poll(lambda each=each: is_revoked(each, gate))
    # So does one that starts now, and every reader that takes the last record as it is.
    async with start(settings) as again:
        again.org_id = near.org_id
        assert await is_revoked(again, gate)
        assert (await revoked_of(again, await of_key(again, key)))[-1]


async def is_known(ingest, gate: str) -> bool:
    answer = await ingest.client.post("/v1/captures", headers=ingest.bearer(gate, "device"))
    return answer.json().get("type") != "urn:problem:unknown-device"


async def longer(ingest, key: str, count: int) -> bool:
    return len(await of_key(ingest, key)) >= count


async def test_what_somebody_else_appends_is_overruled_while_ingest_runs_and_when_it_starts(
    start, settings, poll
):
    async with start(settings) as first, start(settings) as second:
        second.org_id = first.org_id
        gate = await first.furnish()
        device, key = KIOSK | {"site_id": first.own("pune")}, f"{first.org_id}:device:{gate}"
        await first.put("devices", gate, **device, revoked=True)
        stale = (await of_key(first, key))[0]
        await append(settings, stale)
        await poll(lambda: longer(first, key, 4))
        await poll(lambda: repaired(first, second))
        for each in (first, second):
            assert await is_revoked(each, gate)
    # Nobody runs now.
    records = await of_key(first, key)
    await append(settings, dataclasses.replace(stale, headers=()))
    async with start(settings) as third, start(settings) as fourth:
        third.org_id = fourth.org_id = first.org_id
        await poll(lambda: longer(third, key, len(records) + 2))
        for each in (third, fourth):
            assert await is_revoked(each, gate)
    after = await of_key(first, key)
    assert (await revoked_of(first, after))[len(records) :][:2] == [False, True]
    # At most each of the two wrote it, the same with the same version.
    assert len(after) <= len(records) + 3
    assert (
        len({(each.value, dict(each.headers)["record-version"]) for each in after[len(records) + 1 :]}) == 1
    )


async def test_what_nobody_can_read_is_overruled_when_it_is_late_and_ends_no_process(start, settings, poll):
    async with start(settings) as ingest:
        gate = await ingest.furnish()
        device, key = KIOSK | {"site_id": ingest.own("pune")}, f"{ingest.org_id}:device:{gate}"
        await ingest.put("devices", gate, **device, revoked=True)
        recorded = await of_key(ingest, key)
        await append(settings, dataclasses.replace(recorded[0], value=b"no Avro"))
        await poll(lambda: longer(ingest, key, len(recorded) + 2))
        assert (await of_key(ingest, key))[-1].value == recorded[-1].value

        # An end that says by whom in no UTF-8, also late.
        headers = (("authority", b'{"subject":"\xff","role":"hr"}'), *recorded[0].headers)
        await append(settings, dataclasses.replace(recorded[0], value=None, headers=headers))
        await poll(lambda: longer(ingest, key, len(recorded) + 4))
        assert await is_revoked(ingest, gate)

        # What belongs under another key is not taken for what this one names.
        other = dataclasses.replace(recorded[-1], key=f"{ingest.org_id}:device:other".encode())
        await append(settings, other)
        await poll(lambda: left_out(ingest, 2))
        assert not await is_known(ingest, "other")
        await ingest.ready(within_reach=True)


async def left_out(ingest, count: int) -> bool:
    return await ingest.sample("ingest_unreadable_records_total") >= count


async def repaired(*services) -> bool:
    return sum([await each.sample("ingest_directory_repairs_total") for each in services]) >= 1


async def append(settings, record: Record) -> None:
    async with RecordProducer(settings.kafka) as producer:
        await producer.send(OutgoingRecord(record.topic, record.key, record.value, record.headers))


async def test_two_services_record_the_same_device_at_the_same_moment(start, settings, poll):
    async with start(settings) as first, start(settings) as second:
        second.org_id = first.org_id
        gate = await first.furnish()
        device, key = KIOSK | {"site_id": first.own("pune")}, f"{first.org_id}:device:{gate}"
        await poll(lambda: is_known(second, gate))
        for number in range(10):
            await asyncio.gather(
                first.put("devices", gate, **device | {"name": f"{number} by one"}),
                second.put("devices", gate, **device | {"name": f"{number} by the other"}),
            )
        records = await of_key(first, key)
        versions = [int(dict(each.headers)["record-version"]) for each in records]
    counting = [version for at, version in enumerate(versions) if version > max(versions[:at], default=0)]
    # Everybody was told that it is recorded, so each of the 20, and the first one, counted in some order.
    assert len(counting) == 21


async def test_an_ingest_that_is_cut_off_refuses_until_it_knows_of_revocations_again(
    start, settings, far_settings, proxies, poll
):
    async with start(settings) as near, start(far_settings) as far:
        far.org_id = near.org_id
        gate = await near.furnish()
        await poll(lambda: is_known(far, gate))
        (await proxies.post("/proxies/kafka", json={"enabled": False})).raise_for_status()
        await near.put("devices", gate, **KIOSK, site_id=near.own("pune"), revoked=True)

        await poll(lambda: is_behind(far))
        answer = await far.client.post("/v1/captures", headers=far.bearer(gate, "device"))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:problem:temporarily-unavailable")
        assert "Retry-After" in answer.headers
        assert await far.sample("ingest_directory_seconds_behind") > 15

        (await proxies.post("/proxies/kafka", json={"enabled": True})).raise_for_status()
        await poll(lambda: is_revoked(far, gate))
        await far.ready(within_reach=True)


async def is_behind(ingest) -> bool:
    checks = (await ingest.client.get("/health/ready")).json()["checks"]
    return " s behind" in checks["directory"]
