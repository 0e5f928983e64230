"""One stack of our own, driven through the command line and harmed in several ways."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio
from redis import Redis

from local_stack.environment import StackEnv
from local_stack.errors import NotRunning
from local_stack.running.stack import Stack
from local_stack.running.status import Phase, ServiceState
from local_stack.settings import cache_folder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("life") / "stack", cache_folder(root=pytestconfig.rootpath))
    yield stack
    stack.down()
    stack.delete()


@pytest.fixture
def running(own: Stack) -> Stack:
    own.up()
    return own


@pytest.fixture
def stopped(own: Stack) -> Stack:
    own.down()
    return own


def command(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_stack", *arguments],
        env=environment(stack),
        capture_output=True,
        text=True,
        check=False,
    )


def environment(stack: Stack) -> dict[str, str]:
    folders = {"LOCAL_STACK_DIR": str(stack.folder), "LOCAL_STACK_CACHE": str(stack.cache.folder)}
    return {**os.environ, **folders}


def pid_of(stack: Stack, name: str) -> int:
    pid = next(service.pid for service in stack.status().services if service.name == name)
    assert pid is not None
    return pid


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_first_up_starts_everything(own: Stack) -> None:
    assert own.status().phase is Phase.DOWN
    result = command(own, "up", "--detach")
    assert result.returncode == 0, result.stderr
    assert own.status().is_ready
    assert command(own, "status").returncode == 0


def test_second_up_changes_nothing_and_says_so(running: Stack) -> None:
    before = running.status()
    result = command(running, "up", "--detach")
    assert result.returncode == 0
    assert "already running; nothing was changed" in result.stdout
    assert running.status() == before


def test_env_is_what_a_shell_evaluates(running: Stack) -> None:
    printed = command(running, "env").stdout
    evaluated = subprocess.run(
        ["sh", "-c", 'eval "$1"; exec env', "sh", printed], capture_output=True, text=True, check=True
    )
    assert set(running.env.environ().items()) <= {
        tuple(line.split("=", 1)) for line in evaluated.stdout.splitlines()
    }
    assert json.loads(command(running, "env", "--json").stdout) == running.env.environ()


def test_every_port_is_on_loopback_only(running: Stack) -> None:
    pids = {service.pid for service in running.start_service("toxiproxy").services}
    listening = [
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    running.stop_service("toxiproxy")


def test_killed_server_is_reported_and_comes_back(running: Stack) -> None:
    os.kill(pid_of(running, "valkey"), signal.SIGKILL)
    eventually(lambda: bool(running.status().crashed), "the crash was not noticed")
    shown = command(running, "status")
    assert shown.returncode == 1
    assert "valkey was killed by signal 9" in shown.stdout
    assert "Ready to accept connections" in shown.stdout
    refused = command(running, "up", "--detach")
    assert refused.returncode == 1
    assert "valkey crashed: `local-stack start valkey`" in refused.stderr
    assert command(running, "start", "valkey").returncode == 0
    assert running.status().is_ready


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("name", ["postgres", "object-store"])
def test_server_is_taken_away_and_brought_back(running: Stack, name: str, kill: bool) -> None:
    taken = running.stop_service(name, kill=kill)
    found = {service.name: service for service in taken.services}
    assert found.pop(name).state is ServiceState.STOPPED
    assert all(service.is_well for service in found.values())
    assert running.start_service(name).is_ready


def test_unknown_service_is_refused_with_the_known_ones(running: Stack) -> None:
    result = command(running, "stop", "mysql")
    assert result.returncode == 1
    assert "'mysql'" in result.stderr
    assert "valkey" in result.stderr


async def test_restart_keeps_all_data(running: Stack) -> None:
    await write_everywhere(running.env)
    running.stop_service("kafka", kill=True)
    assert command(running, "down").returncode == 0
    assert running.status().phase is Phase.DOWN
    before = running.env
    running.up()
    assert running.env == before
    await expect_everywhere(running.env)


def test_servers_of_a_killed_supervisor_are_ended(running: Stack) -> None:
    status = running.status()
    assert status.supervisor_pid is not None
    os.kill(status.supervisor_pid, signal.SIGKILL)
    eventually(lambda: not running.is_running, "the lock was not released")
    with pytest.raises(NotRunning):
        running.stop_service("valkey")
    assert running.up()
    assert running.status().is_ready
    assert not any(psutil.pid_exists(service.pid) for service in status.services if service.pid)


def test_down_leaves_no_process(running: Stack) -> None:
    pids = [service.pid for service in running.status().services if service.pid]
    assert running.down()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not running.down()


def test_foreground_ends_when_a_server_crashes(stopped: Stack) -> None:
    with foreground(stopped) as process:
        os.kill(pid_of(stopped, "valkey"), signal.SIGKILL)
        _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 1
    assert "valkey was killed by signal 9" in errors
    assert "Ready to accept connections" in errors
    assert stopped.status().phase is Phase.DOWN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_foreground_ends_well_on_a_signal(stopped: Stack, number: signal.Signals) -> None:
    with foreground(stopped) as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert "Stopped" in output
    assert stopped.status().phase is Phase.DOWN


def test_server_that_cannot_start_is_reported_and_all_is_stopped(stopped: Stack) -> None:
    configuration = stopped.folder / "object-store" / "data"
    aside = configuration.rename(configuration.with_name("aside"))
    configuration.write_text("not a folder")
    result = command(stopped, "up", "--detach")
    configuration.unlink()
    aside.rename(configuration)
    assert result.returncode == 1
    assert "object-store" in result.stderr
    assert stopped.status().phase is Phase.DOWN


def foreground(stack: Stack) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "local_stack", "up"],
        env=environment(stack),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: stack.status().is_ready or process.poll() is not None, "the stack is not ready")
    return process


async def write_everywhere(stack: StackEnv) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait("kept", b"kept")
    owner = await asyncpg.connect(stack.database_url)
    await owner.execute("CREATE TABLE kept AS SELECT 'kept' AS word")
    await owner.close()
    bucket(stack).put_object(stack.object_store_bucket, "kept", io.BytesIO(b"kept"), 4)
    with Redis.from_url(stack.valkey_url) as valkey:
        valkey.set("kept", "kept")
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{stack.schema_registry_url}/subjects/kept-value/versions",
            json={"schema": '"string"'},
            timeout=30,
        )
        answer.raise_for_status()


async def expect_everywhere(stack: StackEnv) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap_servers) as consumer:
        partition = TopicPartition("kept", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        assert (await consumer.getone()).value == b"kept"
    owner = await asyncpg.connect(stack.database_url)
    assert await owner.fetchval("SELECT word FROM kept") == "kept"
    await owner.close()
    assert bucket(stack).stat_object(stack.object_store_bucket, "kept").size == 4
    with Redis.from_url(stack.valkey_url) as valkey:
        assert valkey.get("kept") == b"kept"
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{stack.schema_registry_url}/subjects", timeout=30)
        assert answer.json() == ["kept-value"]


def bucket(stack: StackEnv) -> Minio:
    return Minio(
        stack.object_store_endpoint.removeprefix("http://"),
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        secure=False,
        region=stack.object_store_region,
    )


def test_logs_are_printed_by_name(running: Stack) -> None:
    assert "PostgreSQL" in command(running, "logs", "postgres", "--lines", "500").stdout
    assert command(running, "logs", "mysql").returncode == 1


def test_folder_is_the_only_thing_that_a_stack_needs(running: Stack) -> None:
    assert Path(running.env.auth_jwks).is_relative_to(running.folder)
