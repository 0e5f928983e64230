"""The real process: settings from the environment, real tokens, a decision through Kafka, and how it ends."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.presence import OpenDay
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import MATCHES
from attendance_testing.projector.presence import fill_presence
from local_stack.environment import StackEnv
from local_stack.for_tests.databases import Database
from local_stack.keys.tokens import sign_token
from local_stack.running.ports import free_port
from local_stack.running.stack import Stack
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.integration

UNDECIDED = UUID("019cac8c-6d40-7c3a-9b1e-00000000beef")
COMMAND = (sys.executable, "-m", "query_api")


@pytest.fixture
def environment(stack: StackEnv, read_database: Database, matches_prefix: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUERY_API_")}
    return {
        **inherited,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": matches_prefix,
        "QUERY_DATABASE_URL": read_database.query_url,
        "QUERY_API_PRIMARY_DATABASE_URL": read_database.query_url,
        "QUERY_API_PORT": str(free_port()),
    }


@pytest.fixture
def token(stack_control: Stack) -> Callable[..., dict[str, str]]:
    def signed(role: str, subject: str = "u-1") -> dict[str, str]:
        text = sign_token(stack_control.folder, roles=[role], subject=subject, organisation="acme")
        return {"Authorization": f"Bearer {text}"}

    return signed


@asynccontextmanager
async def running(
    environment: dict[str, str],
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env=environment, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    base = f"http://127.0.0.1:{environment['QUERY_API_PORT']}"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=40) as client:
            await until_following(process, client)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_following(process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "the service ended at start"
            try:
                ready = (await client.get("/health/ready")).status_code == 200
                if ready and "query_api_following_decisions 1.0" in (await client.get("/metrics")).text:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def until_waiting(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            if "query_api_waiting_requests 1.0" in (await client.get("/metrics")).text:
                return
            await asyncio.sleep(0.02)


async def test_a_kiosk_sees_its_result_through_the_real_process(
    environment: dict[str, str], token: Callable[..., dict[str, str]], decision: Callable[..., MatchDecided]
) -> None:
    kafka = KafkaSettings(
        bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"],
        topic_prefix=environment["KAFKA_TOPIC_PREFIX"],
    )
    async with (
        running(environment) as (_, client),
        SchemaRegistry(environment["SCHEMA_REGISTRY_URL"]) as schemas,
        RecordProducer(kafka) as producer,
    ):
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await codec.prepare([MATCHES])
        waiting = asyncio.create_task(
            client.get(f"/v1/captures/{UNDECIDED}?wait=30", headers=token("device", "kiosk-3"))
        )
        await until_waiting(client)
        event = decision(capture_id=UNDECIDED)
        await producer.send(
            OutgoingRecord(kafka.topic(MATCHES.name), MATCHES.key_of(event), codec.encode(event, MATCHES))
        )
        response = await waiting
        assert response.status_code == 200
        assert response.json()["display_name"] == "Asha Rao"
        since = datetime.now(UTC) - timedelta(hours=1)
        is_in = OpenDay("acme", "pune-1", "p-1", since.date(), "day", since)
        await fill_presence(environment["VALKEY_URL"], kafka.topic_prefix, [is_in])
        present = await client.get("/v1/presence", headers=token("analyst"))
        assert [each["display_name"] for each in present.json()["people"]] == ["Asha Rao"]
        people = await client.get("/v1/people", headers=token("analyst"))
        assert len(people.json()["items"]) == 3
        refused = await client.get("/v1/people", headers={"Authorization": "Bearer x.y.z"})
        assert refused.status_code == 401


async def test_sigterm_answers_those_who_wait_and_ends_soon(
    environment: dict[str, str], token: Callable[..., dict[str, str]]
) -> None:
    async with running(environment) as (process, client):
        waiting = asyncio.create_task(
            client.get(f"/v1/captures/{UNDECIDED}?wait=30", headers=token("analyst"))
        )
        await until_waiting(client)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert (await waiting).status_code == 404
        assert await asyncio.wait_for(process.wait(), timeout=15) == 0
        assert time.monotonic() - started < 15


async def test_it_serves_without_kafka_and_says_so_in_a_metric(
    environment: dict[str, str], token: Callable[..., dict[str, str]]
) -> None:
    away = {**environment, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    process = await asyncio.create_subprocess_exec(*COMMAND, env=away, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{away['QUERY_API_PORT']}", timeout=40) as client,
            asyncio.timeout(60),
        ):
            while True:
                try:
                    if (await client.get("/health/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
            known = "/v1/captures/019cac8c-6d40-7c3a-9b1e-000000000001?wait=5"
            assert (await client.get(known, headers=token("analyst"))).status_code == 200
            assert "query_api_following_decisions 0.0" in (await client.get("/metrics")).text
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), timeout=15) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_once(*arguments: str, environment: dict[str, str]) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_help_and_wrong_settings(environment: dict[str, str]) -> None:
    code, output = await run_once("--help", environment=environment)
    assert (code, "read-only API" in output) == (0, True)
    code, output = await run_once(environment={**environment, "QUERY_API_PROT": "8002"})
    assert code == 2
    assert "QUERY_API_PROT" in output
    assert "QUERY_API_PORT" in output


def lines_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]


async def test_logs_are_json_and_hold_no_person(
    environment: dict[str, str], token: Callable[..., dict[str, str]]
) -> None:
    async with running(environment) as (process, client):
        await client.get("/v1/people/p-1/attendance?from=2026-03-01&to=2026-03-31", headers=token("analyst"))
        process.send_signal(signal.SIGTERM)
        _, output = await process.communicate()
    assert {"listening", "stopping"} <= {line["event"] for line in lines_of(output)}
    assert b"p-1" not in output
    assert b"Asha" not in output
