import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from attendance_schemas.topics import CAPTURES, DIRECTORY, MATCHES
from local_stack.environment import StackEnv, with_login_of
from service_kit.dead_letters.letters import DeadLetters, read_origin
from service_kit.errors import PoisonRecord
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
DEADLINE = 60.0


async def eventually(question: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while True:
            if answer := await question():
                return answer
            await asyncio.sleep(0.1)


async def test_a_killed_projector_goes_on_where_its_rows_end(plant: Any, cluster: Any) -> None:
    # The one migrates first, as the owner; the other may not.
    process = await cluster.start("run", "--migrate")
    await cluster.publish(plant.person("binod"), DIRECTORY)
    await cluster.publish(plant.match("binod", f"{DAY}T08:00+05:30"), MATCHES)
    await eventually(lambda: plant.places("binod"))
    process.kill()
    await process.wait()
    await cluster.publish(plant.match("binod", f"{DAY}T12:00+05:30"), MATCHES)
    process = await cluster.start("run")

    async def is_complete() -> bool:
        return bool(await plant.days("binod") == [(DAY, "day", "PRESENT", 240)])

    await eventually(is_complete)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{cluster.environ['ATTENDANCE_PROJECTOR_PORT']}"
    ) as http:

        async def is_ready() -> bool:
            return (await http.get("/health/ready")).status_code == 200

        await eventually(is_ready)
        metrics = (await http.get("/metrics")).text
    assert 'attendance_projector_events_total{outcome="applied",type="MatchDecided"} 1.0' in metrics
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_time_passes_as_a_fact_and_decides_absences(plant: Any, cluster: Any) -> None:
    cluster.environ["ATTENDANCE_PROJECTOR_TICK_INTERVAL"] = "PT0.2S"
    today = datetime.now(UTC).date()
    yesterday, before = (today - timedelta(days=number) for number in (1, 3))
    await cluster.publish(plant.policy(before, expects_attendance=True), DIRECTORY)
    processes = [await cluster.start("run")]
    cluster.environ["ATTENDANCE_PROJECTOR_PORT"] = "0"
    processes.append(await cluster.start("run"))

    async def is_decided() -> bool:
        found = {on: status for on, _, status, _ in await plant.days("asha")}
        return found.get(str(before)) == "ABSENT" and str(yesterday) in found

    await eventually(is_decided)
    first = await plant.read_model.as_of()

    async def goes_on() -> bool:
        return bool(await plant.read_model.as_of() > first)

    await eventually(goes_on)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [await process.wait() for process in processes] == [0, 0]


async def test_changes_wait_in_the_outbox_for_a_process_that_tells_them(plant: Any, cluster: Any) -> None:
    cluster.environ |= {"ATTENDANCE_PROJECTOR_FEED_CHANGES": "false", "ATTENDANCE_PROJECTOR_PORT": "0"}
    projecting = await cluster.start("run")
    await cluster.publish(plant.match("asha", f"{DAY}T08:00+05:30"), MATCHES)

    async def waiting() -> int:
        return int(await plant.sql.fetchval("SELECT count(*) FROM outbox"))

    await eventually(waiting)
    telling = await cluster.start("feed")

    async def all_told() -> bool:
        return await waiting() == 0

    await eventually(all_told)
    for process in (projecting, telling):
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_tombstone_takes_a_holiday_back(plant: Any, cluster: Any) -> None:
    holiday = plant.holiday(date(2026, 3, 2))
    await plant.tell(plant.match("asha", f"{DAY}T08:00+05:30"), plant.match("asha", f"{DAY}T12:00+05:30"))
    process = await cluster.start("run")
    for publish, status in ((cluster.publish, "HOLIDAY"), (cluster.take_back, "PRESENT")):
        await publish(holiday, DIRECTORY)

        async def is_known(expected: str = status) -> bool:
            return [day[2] for day in await plant.days("asha")] == [expected]

        await eventually(is_known)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize("value", [b"no Avro", b"\xff" * 1_048_400], ids=["small", "of the greatest size"])
async def test_poison_goes_to_the_dead_letters_and_the_position_past_it(
    plant: Any, cluster: Any, stack: StackEnv, value: bytes
) -> None:
    await cluster.publish(plant.person("binod"), DIRECTORY)
    await cluster.publish_raw(value, MATCHES)
    process = await cluster.start("run")
    async with AIOKafkaConsumer(
        f"{cluster.prefix}attendance.matches.dlq",
        bootstrap_servers=stack.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    ) as consumer:
        async with asyncio.timeout(DEADLINE):
            dead = await consumer.getone()
    assert dead.value == value
    assert ("who", b"me") in dead.headers
    origin = read_origin(tuple(dead.headers))
    assert (origin.reason, origin.service) == ("undecodable", "attendance-projector")

    async def is_past() -> bool:
        offsets = await plant.sql.fetch(
            "SELECT next_offset FROM consumed_position WHERE topic LIKE $1",
            cluster.prefix + "attendance.matches",
        )
        return any(row["next_offset"] == 1 for row in offsets)

    await eventually(is_past)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_what_another_service_set_aside_is_told(plant: Any, cluster: Any, stack: StackEnv) -> None:
    received = plant.received(plant.match("binod", f"{DAY}T08:00+05:30"))
    await cluster.publish(received, CAPTURES)
    process = await cluster.start("run")

    async def is_awaited() -> bool:
        return bool(await plant.sql.fetchval("SELECT count(*) FROM awaited_fact") == 1)

    await eventually(is_awaited)
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=cluster.prefix)
    (record,) = [each async for each in records_of(kafka, kafka.topic(CAPTURES.name))]
    async with RecordProducer(kafka) as producer:
        letters = DeadLetters(producer, service="recognition-worker", version="1")
        await letters.put(record, PoisonRecord("undecodable-image", "a path of the store"))
        await letters.put(replace(record, value=b"junk"), PoisonRecord("undecodable"))

    async def is_told() -> bool:
        rows = await plant.sql.fetch("SELECT kind, fact_id, reason, device_id FROM dead_letter")
        return [tuple(row) for row in rows] == [
            ("CaptureReceived", received.capture_id, "undecodable-image", "kiosk")
        ]

    await eventually(is_told)
    assert not await is_awaited()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize("command", ["run", "feed"])
async def test_an_old_read_model_ends_the_service_with_advice(
    stack: StackEnv, database: Any, unused_port: int, command: str
) -> None:
    environ = {
        **os.environ,
        **with_login_of({**stack.environ(), **database.environ()}, command),
        "ATTENDANCE_PROJECTOR_PORT": str(unused_port),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attendance_projector", command), env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    last = json.loads(errors.decode().strip().splitlines()[-1])
    assert "migrate" in json.dumps(last)
