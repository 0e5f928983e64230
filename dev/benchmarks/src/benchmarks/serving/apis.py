"""How many requests one process of ingest and of query-api takes, beside what its parts take alone.

`python -m benchmarks.serving.apis [--seconds 20]`. Kiosks send captures of 100 KB to ingest, 16 at once, and
ask query-api what became of them; recognition does not run, as if they still waited. In the same run, one
after the other: the bare parts of a capture (two PUTs and one record, from memory, by the libraries that
ingest uses), and the route of query-api that does nothing. Rates are of the service's own processor time:
everything shares the cores here, so those by the clock say less.
"""

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import httpx
import psutil
import uvloop

from attendance_demo.deployment import Deployment, Service, deployed
from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.kiosk import Kiosk
from attendance_demo.scene.morning import plan_morning
from attendance_demo.scene.plant import KIOSKS, Plant
from benchmarks.projection.service import say
from local_stack.environment import StackEnv
from local_stack.keys.tokens import sign_token
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings, ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

AT_ONCE = 16
IMAGE_BYTES = 100_000
RECORD_BYTES = 600
Work = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load. processor_ms: of the process that was measured, for a request."""

    requests: int
    seconds: float
    processor_ms: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"per_processor_second={1000 / self.processor_ms:.0f} "
            f"per_second={self.requests / self.seconds:.0f} processor_ms={self.processor_ms:.2f} "
            f"p50_ms={self.p50_ms:.0f} p99_ms={self.p99_ms:.0f}"
        )


async def load(process: psutil.Process, seconds: float, work: Work) -> Load:
    """Do the work again and again, so many at once, and measure a process meanwhile."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def one_after_another(worker: int) -> None:
        while time.perf_counter() < until:
            began = time.perf_counter()
            await work(worker)
            times.append(time.perf_counter() - began)

    before, began = process.cpu_times(), time.perf_counter()
    await asyncio.gather(*map(one_after_another, range(AT_ONCE)))
    after, took = process.cpu_times(), time.perf_counter() - began
    used = after.user + after.system - before.user - before.system
    times.sort()
    return Load(
        requests=len(times),
        seconds=took,
        processor_ms=used * 1000 / len(times),
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[len(times) * 99 // 100] * 1000,
    )


def image() -> bytes:
    """Return a JPEG that no store can compress: a photo of the cast, filled up to 100 KB behind its end."""
    photo = packaged_cast(cache_folder() / "photos", "b").members[0].enrol[0]
    return photo + secrets.token_bytes(max(0, IMAGE_BYTES - len(photo)))


@asynccontextmanager
async def bare_parts(stack: StackEnv, topic: str) -> AsyncIterator[Work]:
    """Yield the parts of a capture alone: two PUTs of absent objects, one acknowledged record."""
    store = ObjectStore(
        ObjectStoreSettings(
            endpoint=stack.object_store_endpoint,
            access_key=stack.object_store_access_key,
            secret_key=stack.object_store_secret_key,
            bucket=stack.object_store_bucket,
        )
    )
    content, record = secrets.token_bytes(IMAGE_BYTES), secrets.token_bytes(RECORD_BYTES)
    async with RecordProducer(KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)) as producer:

        async def parts(worker: int) -> None:
            key = uuid4()
            await store.put_if_absent(stack.object_store_bucket, f"bench/{key}", content, "image/jpeg")
            await store.put_if_absent(
                stack.object_store_bucket, f"bench/{key}/accepted", record, "application/json"
            )
            await producer.send(OutgoingRecord(topic, str(worker).encode(), record))

        yield parts
    await store.close()


@asynccontextmanager
async def plant_of(stack: Stack, deployment: Deployment) -> AsyncIterator[tuple[Plant, list[Kiosk]]]:
    """Record an organisation with its kiosks, and yield them with a token each."""
    run = secrets.token_hex(3)
    ingest, query_api = (deployment.services[name].url for name in ("ingest", "query-api"))

    def sign(role: str, subject: str) -> str:
        return sign_token(stack.folder, roles=[role], subject=subject, organisation=f"acme-{run}")

    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        plant = Plant(run, client, ingest, query_api, sign)
        members = packaged_cast(cache_folder() / "photos", run).members
        await plant.record(
            plan_morning(packaged_cast(cache_folder() / "photos", run), datetime.now(UTC)), members
        )
        devices = [plant.own(name) for name in KIOSKS]
        yield plant, [Kiosk(each, sign("device", each), ingest, query_api, client) for each in devices]


async def measure(stack: Stack, seconds: float) -> None:
    """Start the services, load one after the other, print what each takes."""
    prefix = f"bench-{secrets.token_hex(3)}."
    environ = {**stack.env.environ(), "KAFKA_TOPIC_PREFIX": prefix}
    with TemporaryDirectory() as folder, deployed(environ, Path(folder)) as deployment:
        query_api = deployment.start("query-api", wait=False)
        projector = deployment.start("attendance-projector", wait=False)
        ingest = deployment.start("ingest", query_api_url=query_api.url)
        for service in (query_api, projector):
            service.wait_ready()
        async with (
            plant_of(stack, deployment) as (_, kiosks),
            bare_parts(stack.env, f"{prefix}attendance.captures") as bare,
        ):
            await load_all(kiosks, bare, ingest, query_api, seconds)


async def load_all(
    kiosks: list[Kiosk], bare: Work, ingest: Service, query_api: Service, seconds: float
) -> None:
    """Load each in turn."""
    content, sent = image(), list[tuple[Kiosk, UUID]]()
    here, of_ingest, of_query_api = (
        psutil.Process(pid) for pid in (None, ingest.process.pid, query_api.process.pid)
    )

    async def capture(worker: int) -> None:
        kiosk = kiosks[worker % len(kiosks)]
        shot = replace(kiosk.take(content, datetime.now(UTC)), media_type="image/jpeg")
        answer = await kiosk.send(shot)
        if not answer.accepted:
            raise RuntimeError(f"ingest answered {answer.status} {answer.body}")
        sent.append((kiosk, shot.capture_id))

    async def question(_: int) -> None:
        kiosk, asked = sent[secrets.randbelow(len(sent))]
        answer = await kiosk.client.get(
            f"{query_api.url}/v1/captures/{asked}", headers={"Authorization": f"Bearer {kiosk.token}"}
        )
        if answer.status_code not in {httpx.codes.OK, httpx.codes.NOT_FOUND}:
            raise RuntimeError(f"query-api answered {answer.status_code} {answer.text}")

    async def nothing(worker: int) -> None:
        await kiosks[worker % len(kiosks)].client.get(f"{query_api.url}/health/live")

    turns = {
        "bare_parts": (here, bare),
        "ingest_captures": (of_ingest, capture),
        "query_api_nothing": (of_query_api, nothing),
        "query_api_captures": (of_query_api, question),
    }
    await load(of_ingest, seconds / 4, capture)  # warm: pools are filled, code is compiled
    found = {}
    for name, (process, work) in turns.items():
        found[name] = await load(process, seconds, work)
        say(f"apis {name} {found[name]} resident_mb={process.memory_info().rss / 1e6:.0f}")
    share = found["bare_parts"].processor_ms / found["ingest_captures"].processor_ms
    say(f"apis ok: captures={len(sent)} bare_parts_of_ingest={share:.2f}")


def main() -> int:
    """Measure on a stack of its own; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    options = parser.parse_args()
    stack = Stack(stack_folder(name="benchmark"), cache_folder())
    with leased(stack, keep=False):
        uvloop.run(measure(stack, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
