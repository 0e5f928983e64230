"""Topics with a history, a live projector, and the command `rebuild` beside it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import DayStatus
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import (
    CAPTURES,
    CORRECTIONS,
    DEAD_LETTER_SUFFIX,
    DIRECTORY,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    MATCHES,
    PERSON_KEYS,
    PUNCHES,
)
from attendance_testing.polling import DEADLINE, eventually
from attendance_testing.projector.history import PEOPLE, tell_history
from local_stack.environment import StackEnv, with_login_of
from service_kit.dead_letters.letters import Origin, dead_letter_headers
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings

TABLES = (
    "organisation",
    "site",
    "person",
    "shift",
    "roster",
    "capture",
    "punch",
    "attendance_day",
    "day_explanation",
    "open_day",
    "enrolment",
    "holiday",
    "leave",
    "policy",
    "clock",
    "pending_fact",
    "correction",
    "review",
    "period_lock",
    "locked_person",
    "locked_day",
    "locked_adjustment",
    "adjustment",
    "refused_fact",
    "awaited_fact",
    "dead_letter",
    "erasure",
    "erased_person",
)
# How far devices have reported goes by the order in which topics are read.
REPORTING = ("device_point", "device_report", "site_watermark", "unsettled_day")


class Deployment:
    """Topics with a history, a database, a live projector, and the command under test."""

    def __init__(
        self, plant: Any, environ: dict[str, str], prefix: str, codec: Codec, producer: RecordProducer
    ) -> None:
        self.plant = plant
        self.sql: asyncpg.Connection = plant.sql
        self.prefix = prefix
        self.sent = 0
        self._environ = environ
        self._codec = codec
        self._producer = producer
        self._processes: list[asyncio.subprocess.Process] = []

    async def publish(self, event: Any, topic: Any = MATCHES) -> None:
        value = self._codec.encode(event, topic)
        await self._producer.send(OutgoingRecord(self.prefix + topic.name, topic.key_of(event), value))
        self.sent += 1

    async def bury(self, event: Any, topic: Any, origin: Origin) -> None:
        """Send a dead letter of an event."""
        name = f"{self.prefix}{topic.name}{DEAD_LETTER_SUFFIX}"
        value, headers = self._codec.encode(event, topic), dead_letter_headers(origin)
        await self._producer.send(OutgoingRecord(name, topic.key_of(event), value, headers))
        self.sent += 1

    async def take_back(self, *events: Any) -> None:
        """Send tombstones of what the directory says."""
        topic = self.prefix + DIRECTORY.name
        for event in events:
            await self._producer.send(OutgoingRecord(topic, DIRECTORY.key_of(event), None))
            self.sent += 1

    async def close(self, starts_on: date, ends_on: date) -> Any:
        """Lock a period and wait until it is in force."""
        lock = self.plant.lock(starts_on, ends_on)
        await self.publish(lock, CORRECTIONS)

        async def is_locked() -> Any:
            in_force = "SELECT in_force FROM attendance.period_lock WHERE lock_id = $1"
            return await self.sql.fetchval(in_force, lock.lock_id)

        await eventually(is_locked)
        return lock

    async def lock_periods(self) -> Any:
        """Close parts of March, with what comes late, what is settled, and a lock that is reopened.

        Returns the first lock.
        """
        plant, locks = self.plant, []
        for first_day, last_day, late in ((20, 25, "2026-03-24"), (26, 30, "2026-03-23"), (31, 31, None)):
            locks.append(await self.close(date(2026, 3, first_day), date(2026, 3, last_day)))
            for number in range(PEOPLE) if late else ():
                await self.publish(plant.match(f"p-{number}", f"{late}T10:30:00+00:00"))
                await self.publish(plant.match(f"p-{number}", f"2026-03-2{number % 3}T13:00:00+00:00"))
            await self.live_is_even()
        await self.publish(plant.reopening(locks[-1]), CORRECTIONS)
        await self.publish(plant.override("p-9", date(2026, 3, 21), DayStatus.LEAVE), CORRECTIONS)
        await self.live_is_even()
        return locks[0]

    async def consumed(self, schema: str = "attendance") -> int:
        return int(
            await self.sql.fetchval(
                f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.consumed_position"  # noqa: S608
                # The live service ticks by itself, and records what it locks.
                " WHERE starts_with(topic, $1) AND topic NOT SIMILAR TO '%(clock|locked-days)'",
                self.prefix,
            )
        )

    async def live_is_even(self) -> None:
        async def is_even() -> bool:
            has_ticked = await self.sql.fetchval("SELECT count(*) FROM attendance.clock")
            if await self.consumed() < self.sent or not has_ticked:
                return False
            # The first tick and each policy concern years of days, which wait.
            return not await self.sql.fetchval("SELECT count(*) FROM attendance.stale_span")

        await eventually(is_even)

    def environ(self, command: str) -> dict[str, str]:
        """Return the environment of a command, with the login that it needs."""
        return with_login_of(self._environ, command)

    async def start(
        self, *arguments: str, more: Mapping[str, str] | None = None, **options: Any
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "attendance_projector",
            *arguments,
            env=with_login_of(self._environ, *arguments) | dict(more or {}),
            **options,
        )
        self._processes.append(process)
        return process

    async def rebuild(
        self, *arguments: str, more: Mapping[str, str] | None = None
    ) -> tuple[int, list[dict[str, Any]], str]:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        process = await self.start("rebuild", "--json", "--workers", "2", *arguments, more=more, **pipes)
        out, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
        lines = [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]
        return process.returncode or 0, lines, errors.decode()

    async def retention(self, **months: int) -> dict[str, Any]:
        settings = {f"ATTENDANCE_PROJECTOR_KEEP_{name.upper()}": str(count) for name, count in months.items()}
        self._environ.update(settings)
        process = await self.start("retention", "--json", stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode == 0
        return dict(json.loads(out))

    async def tables(self, schema: str = "attendance") -> dict[str, Any]:
        found = {}
        for table in TABLES:
            rows = await self.sql.fetch(
                "SELECT to_jsonb(t) - 'projected_at' - 'refused_at' AS row"  # noqa: S608
                f" FROM {schema}.{table} AS t ORDER BY 1::text"
            )
            found[table] = sorted(row["row"] for row in rows)
        return found

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def open_deployment(
    stack: StackEnv, plant: Any, topic_prefix: str, port: int
) -> AsyncIterator[Deployment]:
    """Make topics with a history, and start a projector that has applied it."""
    # What the fixture plant has told its own projector is in no topic.
    await plant.sql.execute(f"TRUNCATE {', '.join(TABLES + REPORTING)}, consumed_position")
    environ = {
        **os.environ,
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        **plant.database.environ(),
        "ATTENDANCE_PROJECTOR_PORT": str(port),
        "ATTENDANCE_PROJECTOR_LOG_LEVEL": "WARNING",
        "ATTENDANCE_PROJECTOR_TICK_INTERVAL": "PT1H",
    }
    await apply(
        stack.kafka_bootstrap_servers,
        stack.schema_registry_url,
        prefix=topic_prefix,
        partitions=3,
        single_broker=True,
    )
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=topic_prefix)
    async with SchemaRegistry(stack.schema_registry_url) as registry, RecordProducer(kafka) as producer:
        codec = Codec(registry, prefix=topic_prefix)
        topics = [
            CAPTURES,
            CORRECTIONS,
            DIRECTORY,
            ENROLMENT_RESULTS,
            ENROLMENTS,
            MATCHES,
            PERSON_KEYS,
            PUNCHES,
        ]
        await codec.prepare(topics)
        made = Deployment(plant, environ, topic_prefix, codec, producer)
        await tell_history(made)
        await made.start("run")
        await made.live_is_even()
        yield made
        await made.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_topics([topic_prefix + topic.name for topic in all_topics()])
    await admin.close()
