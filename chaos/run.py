"""A run: services behind proxies, load, rounds of harm, and after each round the auditor's verdict."""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from attendance_demo.cast import packaged_cast
from attendance_demo.deployment import Deployment, deployed
from attendance_demo.plant import Plant
from chaos.harm import Harms
from chaos.journal import JournalWriter
from chaos.plan import LINKS, Harm, rounds
from chaos.plant import Calendar, record_plant
from chaos.toxics import Toxics
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic
from local_stack.buckets import create_bucket, remove_bucket
from local_stack.databases import Database, create_database, drop_database
from local_stack.stack import Stack
from local_stack.tokens import sign_token

TOXIPROXY = "toxiproxy"
ANSWERED_WITHIN_SECONDS = 180.0
SETTLED_WITHIN_SECONDS = 240.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """A round that is over: what was done, and how long it took until all was well again."""

    number: int
    harms: list[Harm]
    seconds: float
    settled_seconds: float
    verdict: Mapping[str, Any]

    def __str__(self) -> str:
        counts = " ".join(f"{name}={value}" for name, value in self.verdict.items() if name != "findings")
        harms = "; ".join(map(str, self.harms))
        took = f"{self.seconds:.1f} s, settled {self.settled_seconds:.1f} s"
        return f"round {self.number}: {harms}: {took}: {counts}"


@dataclass(slots=True)
class Report:
    """All rounds, and the services that ended by themselves."""

    seed: int
    rounds: list[Round] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    tries: int = 0
    answers: int = 0

    @property
    def is_well(self) -> bool:
        """Whether the last verdict has no finding and nothing ended by itself."""
        return bool(self.rounds) and not self.rounds[-1].verdict["findings"] and not self.ended


@dataclass(frozen=True, slots=True)
class Scene:
    """Services behind proxies with a plant of their own, for as long as the run lasts."""

    stack: Stack
    environ: Mapping[str, str]
    database: Database
    deployment: Deployment
    harms: Harms
    traffic: Traffic
    journal: Path
    query_url: str
    org_id: str

    async def audit(self, wait_seconds: float = SETTLED_WITHIN_SECONDS) -> dict[str, Any]:
        """Run the auditor's script on the journal and return what it says."""
        token = sign_token(self.stack.folder, roles=["auditor"], subject="auditor", organisation=self.org_id)
        command = [sys.executable, "-m", "chaos.auditor", str(self.journal), "--url", self.query_url]
        run = await asyncio.to_thread(
            subprocess.run,
            [*command, "--wait", f"{wait_seconds}", "--json"],
            env={**os.environ, "AUDITOR_TOKEN": token},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        if not run.stdout:
            raise RuntimeError(f"the auditor failed:\n{run.stderr}")
        said: dict[str, Any] = json.loads(run.stdout)
        if run.returncode != bool(said["findings"]):
            raise RuntimeError(f"the auditor ended with {run.returncode} and said {run.stdout}")
        return said


@asynccontextmanager
async def open_scene(stack: Stack, folder: Path, seed: int) -> AsyncIterator[Scene]:
    """Start Toxiproxy, the four services behind it, and a plant with enrolled people."""
    await asyncio.to_thread(stack.start_service, TOXIPROXY)
    run = f"c{secrets.token_hex(3)}"
    database = await create_database(stack.env)
    proxied = _through_proxies(stack, database)
    environ = {**proxied, "KAFKA_TOPIC_PREFIX": f"{run}.", "OBJECT_STORE_BUCKET": f"chaos-{run}"}
    await asyncio.to_thread(create_bucket, stack.env, environ["OBJECT_STORE_BUCKET"])
    cast = await asyncio.to_thread(packaged_cast, stack.cache.folder / "photos", run)
    limits = httpx.Limits(max_keepalive_connections=20)
    try:
        with deployed(environ, folder) as deployment, JournalWriter(folder / "journal.jsonl") as journal:
            async with (
                httpx.AsyncClient(timeout=30) as calm,
                httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, limits=limits) as client,
            ):
                await asyncio.to_thread(deployment.start_all)
                services = deployment.services
                query_url = services["query-api"].url
                toxics = Toxics(calm, stack.toxiproxy_url)
                door = f"ingest-{run}"
                port = await toxics.add_link(door, services["ingest"].port)
                org_id = f"acme-{run}"

                def sign(role: str, subject: str) -> str:
                    return sign_token(stack.folder, roles=[role], subject=subject, organisation=org_id)

                direct = Plant(run, calm, services["ingest"].url, query_url, sign)
                people = await record_plant(direct, cast)
                plant = Plant(run, client, f"http://127.0.0.1:{port}", query_url, sign)
                rng = random.Random(seed)
                calendar = Calendar(rng, datetime.now(UTC).date())
                traffic = Traffic(plant, client, cast, people, journal, calendar, rng)
                links = {name: name for name in LINKS} | {"ingest": door}
                harms = Harms(deployment, stack, toxics, links)
                keeping = asyncio.create_task(harms.keep_running())
                try:
                    yield Scene(
                        stack, environ, database, deployment, harms, traffic, folder / "journal.jsonl",
                        query_url, org_id,
                    )  # fmt: skip
                finally:
                    keeping.cancel()
                    with suppress(asyncio.CancelledError):
                        await keeping
                    await traffic.stop()
                    await toxics.remove_link(door)
    finally:
        await drop_database(stack.env, database.name)
        await asyncio.to_thread(remove_bucket, stack.env, environ["OBJECT_STORE_BUCKET"])


def _through_proxies(stack: Stack, database: Database) -> dict[str, str]:
    direct, proxied = stack.env, stack.env_through_proxies
    here, there = (url.split("@")[1].split("/")[0] for url in (direct.database_url, proxied.database_url))
    return {
        **proxied.environ(),
        "DATABASE_URL": database.url.replace(here, there),
        "QUERY_DATABASE_URL": database.query_url.replace(here, there),
    }


async def run_rounds(scene: Scene, seed: int, count: int, say: Say) -> Report:
    """Do `count` rounds; end at the first one whose verdict has findings."""
    report = Report(seed)
    for number, harms in enumerate(rounds(seed, count), start=1):
        began = time.monotonic()
        scene.traffic.start()
        await scene.harms.do(harms)
        healed = time.monotonic()
        await scene.traffic.pause(ANSWERED_WITHIN_SECONDS)
        verdict = await scene.audit()
        ended = time.monotonic()
        report.rounds.append(Round(number, harms, ended - began, ended - healed, verdict))
        report.ended = list(scene.harms.ended)
        report.tries, report.answers = scene.traffic.tries, scene.traffic.answers
        say(str(report.rounds[-1]))
        if verdict["findings"]:
            break
    return report
