"""Real services over the real stack; each test has topics, a database and a bucket of its own."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import pytest_asyncio

from attendance_demo.deployment import Deployment, deployed
from attendance_demo.scene.cast import Cast, packaged_cast
from attendance_demo.scene.kiosk import Answer, Kiosk, Shot
from attendance_demo.scene.morning import plan_morning
from attendance_demo.scene.plant import Plant
from attendance_demo.verdict.audit import Log, Stores, read_log, read_stores
from local_stack.keys.tokens import sign_token

Found = TypeVar("Found")
Look = Callable[[], Awaitable[Found | None]]
SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.2


@pytest.fixture(scope="session")
def chaos_rounds() -> int:
    return int(os.environ.get("CHAOS_ROUNDS", "3"))


@pytest.fixture(scope="session")
def cast(stack_control) -> Cast:
    return packaged_cast(stack_control.cache.folder / "photos", "t")


@dataclass(slots=True)
class Scene:
    """A plant with its people enrolled, one kiosk, and the services under test."""

    environ: dict[str, str]
    deployment: Deployment
    plant: Plant
    kiosk: Kiosk
    cast: Cast

    def shots(self, count: int, *, spacing: timedelta = timedelta(seconds=61)) -> list[Shot]:
        """Take `count` captures of enrolled people, the last one now, far enough apart to count each."""
        first = datetime.now(UTC) - spacing * count
        images = [member.enrol[0] for member in self.cast.members]
        return [
            self.kiosk.take(images[number % len(images)], first + spacing * number, "IN")
            for number in range(count)
        ]

    async def send(self, shots: Iterable[Shot], *, at_once: int = 4) -> list[Answer]:
        """Send as a kiosk does, several at once, each until it is accepted or refused."""
        gate = asyncio.Semaphore(at_once)

        async def one(shot: Shot) -> Answer:
            async with gate:
                return await self.kiosk.send(shot)

        return list(await asyncio.gather(*map(one, shots)))

    async def stores(self) -> tuple[Log, Stores]:
        """Read what the topics and the tables hold of this plant."""
        today = datetime.now(UTC).date()
        since = datetime.now(UTC) - timedelta(days=30)
        log = await read_log(self.environ, self.plant.org_id)
        days = today - timedelta(days=30), today + timedelta(days=2)
        return log, await read_stores(self.environ, self.plant.org_id, since, *days)

    async def settled(self, *, within: float = SETTLE_SECONDS) -> tuple[Log, Stores]:
        """Wait until every capture of the log has a row or a dead letter."""

        async def look() -> tuple[Log, Stores] | None:
            log, stores = await self.stores()
            missing = log.captures - {row.capture_id for row in stores.captures} - set(log.dead)
            return None if missing else (log, stores)

        return await self.until(look, within=within, what="every capture has a row or a dead letter")

    async def until(self, look: Look[Found], *, within: float, what: str) -> Found:
        """Poll until `look` finds something; fail with the wish after `within` seconds."""
        deadline = time.monotonic() + within
        while (found := await look()) is None:
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within:.0f} s: {what}")
            await asyncio.sleep(POLL_SECONDS)
        return found

    async def assert_nothing_lost_or_doubled(self, *, within: float = SETTLE_SECONDS) -> tuple[Log, Stores]:
        """Compare the kiosk's memory, the topics and the tables."""
        log, stores = await self.settled(within=within)
        rows = [row.capture_id for row in stores.captures]
        assert set(self.kiosk.accepted) == log.captures
        assert sorted(rows) == sorted(log.captures - set(log.dead))
        assert stores.twice == 0
        return log, stores


@pytest.fixture
def environ(stack, topic_prefix, database, bucket) -> dict[str, str]:
    return {
        **stack.environ(),
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        **database.environ(),
        "OBJECT_STORE_BUCKET": bucket,
    }


@pytest_asyncio.fixture
async def scene(environ, stack_control, cast, tmp_path: Path) -> AsyncIterator[Scene]:
    """The four services, ready, with everybody enrolled."""
    with deployed(environ, tmp_path / "logs") as deployment:
        await asyncio.to_thread(deployment.start_all)
        ingest, query_api = deployment.services["ingest"].url, deployment.services["query-api"].url

        def sign(role: str, subject: str) -> str:
            return sign_token(stack_control.folder, roles=[role], subject=subject, organisation="acme-t")

        async with httpx.AsyncClient(timeout=30) as client:
            plant = Plant("t", client, ingest, query_api, sign)
            await plant.record(plan_morning(cast, datetime.now(UTC)), cast.members)
            outcomes = await plant.enrol(cast.members)
            assert set(outcomes.values()) == {"ENROLLED"}
            device = plant.own("gate-1")
            yield Scene(
                environ,
                deployment,
                plant,
                Kiosk(device, sign("device", device), ingest, query_api, client),
                cast,
            )
