"""Services behind proxies, a plant of their own, and the auditor, who knows only where the query API is."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from attendance_demo.deployment import Deployment, deployed
from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.plant import Plant
from chaos.harm import Harms
from chaos.hear_auditor import hear_auditor
from chaos.journal import JournalWriter
from chaos.plan import LINKS
from chaos.plant import Calendar, record_plant
from chaos.toxics import Toxics
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from local_stack.for_tests.databases import Database, create_database, drop_database
from local_stack.keys.tokens import sign_token
from local_stack.running.stack import Stack

TOXIPROXY = "toxiproxy"
SETTLED_WITHIN_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One run's services, load and harm."""

    stack: Stack
    database: Database
    harms: Harms
    traffic: Traffic
    journal: Path

    async def audit(self, wait_seconds: float = SETTLED_WITHIN_SECONDS) -> dict[str, Any]:
        """Run the auditor's script on the journal and return what it says."""
        token = sign_token(
            self.stack.folder, roles=["auditor"], subject="auditor", organisation=self.traffic.plant.org_id
        )
        return await hear_auditor(
            self.journal, url=self.traffic.plant.query_url, token=token, wait_seconds=wait_seconds
        )


@asynccontextmanager
async def open_scene(stack: Stack, folder: Path, seed: int) -> AsyncIterator[Scene]:
    """Start Toxiproxy, the four services behind it, and a plant with enrolled people."""
    await asyncio.to_thread(stack.start_service, TOXIPROXY)
    run = f"c{secrets.token_hex(3)}"
    cast = await asyncio.to_thread(packaged_cast, stack.cache.folder / "photos", run)

    def sign(role: str, subject: str) -> str:
        return sign_token(stack.folder, roles=[role], subject=subject, organisation=f"acme-{run}")

    async with (
        httpx.AsyncClient(timeout=30) as calm,
        httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS) as client,
        _stores(stack, run) as (environ, database),
        _services(environ, folder) as deployment,
    ):
        ingest, query_url = (deployment.services[name].url for name in ("ingest", "query-api"))
        people = await record_plant(Plant(run, calm, ingest, query_url, sign), cast)
        toxics, door = Toxics(calm, stack.toxiproxy_url), f"ingest-{run}"
        port = await toxics.add_link(door, deployment.services["ingest"].port)
        plant, rng = Plant(run, client, f"http://127.0.0.1:{port}", query_url, sign), random.Random(seed)
        harms = Harms(deployment, stack, toxics, {**{name: name for name in LINKS}, "ingest": door})
        keeping = asyncio.create_task(harms.keep_running())
        path = folder / "journal.jsonl"
        with JournalWriter(path) as journal:
            calendar = Calendar(rng, datetime.now(UTC).date())
            traffic = Traffic(plant, client, cast, people, journal, calendar, rng)
            try:
                yield Scene(stack, database, harms, traffic, path)
            finally:
                await traffic.stop()
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping
                await toxics.remove_link(door)


@asynccontextmanager
async def _stores(stack: Stack, run: str) -> AsyncIterator[tuple[Mapping[str, str], Database]]:
    """Make topics, a database and a bucket for one run; those of a failed run stay, for a look into them."""
    direct, proxied = stack.env, stack.env_through_proxies
    database, bucket = await create_database(direct), f"chaos-{run}"
    await asyncio.to_thread(create_bucket, direct, bucket)
    here, there = (url.split("@")[1].split("/")[0] for url in (direct.database_url, proxied.database_url))
    own = {
        **{name: url.replace(here, there) for name, url in database.environ().items()},
        "KAFKA_TOPIC_PREFIX": f"{run}.",
        "OBJECT_STORE_BUCKET": bucket,
    }
    yield {**proxied.environ(), **own}, database
    await drop_database(direct, database.name)
    await asyncio.to_thread(remove_bucket, direct, bucket)


@asynccontextmanager
async def _services(environ: Mapping[str, str], folder: Path) -> AsyncIterator[Deployment]:
    with deployed(environ, folder) as deployment:
        await asyncio.to_thread(deployment.start_all)
        yield deployment
