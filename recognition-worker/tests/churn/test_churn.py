"""No record is lost while workers join, leave and die. Sequence numbers in, audited at the far end.

Each round has a fresh group, so that no commit of an earlier round hides a loss.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local_stack.environment import StackEnv

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
DRIVER = Path(__file__).with_name("churn_driver.py")
PARTITIONS = 6
PER_SECOND = 200
DEADLINE = 30.0


class Fleet:
    """The workers of one round, by number."""

    def __init__(self, environment: dict[str, str], logs: Path, *arguments: str) -> None:
        self._environment = {**os.environ, **environment}
        self._logs = logs
        self._arguments = arguments
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(DRIVER), *self._arguments, *arguments]
        with self._log_of(len(self.workers)).open("wb") as log:
            worker = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self.workers.append(worker)
        return worker

    async def join(self, *arguments: str) -> subprocess.Popen[bytes]:
        worker = self.start(*arguments)
        async with asyncio.timeout(DEADLINE):
            while not self.has_joined(worker):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        return worker

    def has_joined(self, worker: subprocess.Popen[bytes]) -> bool:
        return b"Worker ready" in self._log_of(self.workers.index(worker)).read_bytes()

    def _log_of(self, number: int) -> Path:
        return self._logs / f"worker-{number}.log"

    def alive(self) -> list[subprocess.Popen[bytes]]:
        return [worker for worker in self.workers if worker.poll() is None]

    async def leave(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGTERM)
        code = await self.ended(worker)
        # Before it has joined, Python may not have got as far as handling signals.
        assert code == 0 or not self.has_joined(worker), self.tail()

    async def ended(self, worker: subprocess.Popen[bytes]) -> int:
        return await asyncio.wait_for(asyncio.to_thread(worker.wait), DEADLINE)

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        worker.wait()

    def tail(self) -> str:
        logs = sorted(self._logs.glob("worker-*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-3000:]}" for log in logs)


class Traffic:
    """Produces sequence numbers until it is told to stop, and audits what comes out."""

    def __init__(self, servers: str, prefix: str) -> None:
        self._servers = servers
        self._prefix = prefix
        self.per_second = PER_SECOND
        self._burst = 0
        self.sent = 0
        self.seen: Counter[int] = Counter()

    async def __aenter__(self) -> "Traffic":
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        names = [self._prefix + name for name in ("live", "backlog", "out")]
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
        await admin.close()
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._produce()), asyncio.create_task(self._audit())]
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        await admin.delete_topics([self._prefix + name for name in ("live", "backlog", "out")])
        await admin.close()

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            while not self._stop.is_set():
                numbers = range(self.sent, self.sent + max(1, self._burst))
                self._burst = 0
                await asyncio.gather(*[self._send(producer, str(number).encode()) for number in numbers])
                self.sent = numbers.stop
                await asyncio.sleep(1 / self.per_second)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, number: bytes) -> None:
        topic = "backlog" if int(number) % 4 == 0 else "live"
        await producer.send_and_wait(self._prefix + topic, number, key=number)

    async def _audit(self) -> None:
        consumer = AIOKafkaConsumer(
            self._prefix + "out", bootstrap_servers=self._servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            async for record in consumer:
                self.seen[int(record.value)] += 1
        finally:
            await consumer.stop()

    async def burst(self, count: int) -> None:
        """Send so many at once."""
        self._burst, target = count, self.sent + count
        await self._until(lambda: self.sent >= target)

    async def reached(self, count: int) -> None:
        await self._until(lambda: len(self.seen) >= count)

    async def _until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not there():
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.05)

    async def settle(self) -> tuple[list[int], int]:
        """Stop producing; return the numbers that never came out, and how many came more than once."""
        self._stop.set()
        await self._tasks[0]
        with contextlib.suppress(TimeoutError):
            await self.reached(self.sent)
        lost = [number for number in range(self.sent) if number not in self.seen]
        return lost, sum(count - 1 for count in self.seen.values())


@pytest.fixture
async def churn(
    stack: StackEnv, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Fleet, Traffic]]:
    prefix = f"t{secrets.token_hex(3)}."
    environment = {**stack.environ(), "KAFKA_TOPIC_PREFIX": prefix}
    fleet = Fleet(environment, tmp_path, *getattr(request, "param", ()))
    try:
        async with Traffic(stack.kafka_bootstrap_servers, prefix) as traffic:
            yield fleet, traffic
    finally:
        for worker in fleet.workers:
            worker.kill()
            worker.wait()


async def audit(name: str, fleet: Fleet, traffic: Traffic, begun: float) -> None:
    lost, duplicates = await traffic.settle()
    print(
        f"{name}: {traffic.sent} sent, {len(lost)} lost, {duplicates} duplicates, "
        f"{len(fleet.workers)} workers, {time.monotonic() - begun:.1f} s"
    )
    assert not lost, f"{lost[:20]}\n{fleet.tail()}"
    for worker in fleet.alive():
        await fleet.leave(worker)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_joining_and_leaving_loses_nothing(churn: tuple[Fleet, Traffic], number: int) -> None:
    fleet, traffic = churn
    begun = time.monotonic()
    await fleet.join()
    await fleet.join()
    await traffic.reached(traffic.sent)
    await fleet.join()
    await traffic.reached(traffic.sent)
    await fleet.leave(random.choice(fleet.alive()))
    await traffic.reached(traffic.sent + 200)
    await fleet.leave(fleet.alive()[0])
    await traffic.reached(traffic.sent + 200)
    await audit("join and leave", fleet, traffic, begun)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_killed_workers_lose_nothing(churn: tuple[Fleet, Traffic], number: int) -> None:
    fleet, traffic = churn
    begun = time.monotonic()
    fleet.start()
    await fleet.join()
    await traffic.reached(traffic.sent)
    fleet.kill(random.choice(fleet.alive()))
    fleet.start()
    await traffic.reached(traffic.sent + 200)
    await audit("kill -9", fleet, traffic, begun)


@pytest.mark.parametrize("churn", [("--rebalance-delay", "1.2", "--work", "0.5")], indirect=True)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_slow_rebalances_lose_nothing(churn: tuple[Fleet, Traffic], number: int) -> None:
    """Joins of a fresh group overlap over a backlog: partitions change hands before their first commit."""
    fleet, traffic = churn
    begun = time.monotonic()
    traffic.per_second = 50
    await traffic.burst(500)
    for _ in range(4):
        fleet.start()
        await asyncio.sleep(random.uniform(0.2, 1.5))  # the joins overlap: this is the scenario, not a wait
    await traffic.reached(traffic.sent + 100)
    fleet.kill(fleet.alive()[0])
    await traffic.reached(traffic.sent + 100)
    await audit("slow rebalance", fleet, traffic, begun)


@pytest.mark.parametrize("arguments", [("--fail-on", "50"), ("--crash-after", "3")], ids=["handler", "faust"])
async def test_a_bug_ends_the_process_and_its_records_come_again(
    churn: tuple[Fleet, Traffic], arguments: tuple[str, ...]
) -> None:
    fleet, traffic = churn
    begun = time.monotonic()
    assert await fleet.ended(fleet.start(*arguments)) == 1, fleet.tail()
    fleet.start()
    await audit("bug", fleet, traffic, begun)


async def test_a_waiting_record_holds_up_neither_rebalances_nor_a_stop(churn: tuple[Fleet, Traffic]) -> None:
    fleet, traffic = churn
    begun = time.monotonic()
    waiting = [await fleet.join("--wait-on", "50"), await fleet.join("--wait-on", "50")]
    await fleet.join("--wait-on", "50")
    await traffic.reached(traffic.sent + 300)
    assert 50 not in traffic.seen
    assert fleet.alive() == fleet.workers
    for worker in waiting:
        await fleet.leave(worker)
    await fleet.join()
    await fleet.leave(fleet.workers[2])
    await audit("a record waits", fleet, traffic, begun)
