"""What one measured worker process needs around it: topics, bucket, gallery, captures in, matches out."""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import (
    CaptureReceived,
    EmbeddingEncoding,
    ImageReference,
    MatchDecided,
    TemplateEnrolled,
    TimeTrust,
)
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, GALLERY, MATCHES, Topic
from local_stack.environment import StackEnv
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import KafkaSettings, ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

ORG = "bench"
START_LIMIT_SECONDS = 120.0
ANSWER_LIMIT_SECONDS = 3600.0
AT_ONCE = 200
_TICKS = os.sysconf("SC_CLK_TCK")
# Bound to its core before it starts a thread.
_ON_ONE_CORE = "import os, runpy, sys; os.sched_setaffinity(0, {int(sys.argv.pop(1))}); "
_RUN = _ON_ONE_CORE + "runpy.run_module('recognition_worker', run_name='__main__', alter_sys=True)"


@dataclass(frozen=True, slots=True)
class Answer:
    """One capture's match. sent, seen: perf_counter seconds of this process."""

    sent: float
    seen: float
    timings_ms: Mapping[str, float]


class Service:
    """One worker process on one core, with what it needs, on a running stack."""

    def __init__(self, stack: StackEnv, prefix: str, model_cache: Path, core: int, log: Path) -> None:
        self._stack = stack
        self._prefix = prefix
        self._bucket = f"bench-{uuid4().hex[:12]}"
        self._model_cache = model_cache
        self._core = core
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._sent: dict[UUID, float] = {}
        self._answers: dict[UUID, Answer] = {}
        self._answered = asyncio.Event()
        self.kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=prefix)

    @asynccontextmanager
    async def ready(self, model: ModelId, gallery: Vector, images: Sequence[bytes]) -> AsyncIterator[None]:
        """Fill the gallery and the bucket, start the worker, and follow the matches."""
        stack = self._stack
        await asyncio.to_thread(create_bucket, stack, self._bucket)
        await apply(
            stack.kafka_bootstrap_servers, stack.schema_registry_url, prefix=self._prefix, single_broker=True
        )
        try:
            async with (
                SchemaRegistry(stack.schema_registry_url) as registry,
                RecordProducer(self.kafka) as self._producer,
            ):
                self._codec = Codec(registry, prefix=self._prefix)
                await self._codec.prepare([CAPTURES, CAPTURES_BACKLOG, GALLERY])
                await self._enrol(model, gallery)
                self._images = await self._store(images)
                following = asyncio.create_task(self._follow())
                try:
                    self.start_seconds = await self._start()
                    yield
                finally:
                    following.cancel()
                    await asyncio.to_thread(self._stop)
        finally:
            await asyncio.to_thread(remove_bucket, stack, self._bucket)

    async def send(self, topic: Topic = CAPTURES) -> UUID:
        """Send the next capture; return when it is acknowledged, as ingest does."""
        number = len(self._sent)
        now = datetime.now(UTC)
        capture = CaptureReceived(
            event_id=uuid4(),
            occurred_at=now,
            recorded_at=now,
            org_id=ORG,
            capture_id=uuid4(),
            device_id=f"kiosk-{number % 40}",
            site_id="hq",
            device_sequence=number,
            time_trust=TimeTrust.SYNCED,
            image=self._images[number % len(self._images)],
            captured_at=now,
        )
        value = self._codec.encode(capture, topic)
        self._sent[capture.capture_id] = time.perf_counter()
        record = OutgoingRecord(self.kafka.topic(topic.name), topic.key_of(capture), value, ())
        await self._producer.send(record)
        return capture.capture_id

    async def answers(self, captures: Sequence[UUID]) -> list[Answer]:
        """Wait for the matches of captures."""
        async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
            while not all(capture in self._answers for capture in captures):
                self._answered.clear()
                await self._answered.wait()
        return [self._answers[capture] for capture in captures]

    def processor_seconds(self) -> float:
        """Return what the worker's process has used of its core so far."""
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Return what the worker's process has resident, in megabytes."""
        lines = self._proc("status").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def _proc(self, name: str) -> str:
        if self._process is None:
            raise SystemExit("the worker is not started")
        return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="ascii")

    async def _enrol(self, model: ModelId, gallery: Vector) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def enrol(number: int) -> None:
            now = datetime.now(UTC)
            event = TemplateEnrolled(
                event_id=uuid4(),
                occurred_at=now,
                recorded_at=now,
                org_id=ORG,
                template_id=uuid4(),
                enrolment_id=uuid4(),
                person_id=f"person-{number:05d}",
                embedding=gallery[number].astype("<f4").tobytes(),
                embedding_encoding=EmbeddingEncoding.FLOAT32_LE,
                dimensions=gallery.shape[1],
                model_name=model.name,
                model_version=model.version,
                source_sha256="0" * 64,
                detection_score=0.9,
                face_size_px=200.0,
                sharpness=100.0,
            )
            value = self._codec.encode(event, GALLERY)
            record = OutgoingRecord(self.kafka.topic(GALLERY.name), GALLERY.key_of(event), value, ())
            async with slots:
                await self._producer.send(record)

        await asyncio.gather(*[enrol(number) for number in range(len(gallery))])

    async def _store(self, images: Sequence[bytes]) -> list[ImageReference]:
        stack = self._stack
        store = ObjectStore(
            ObjectStoreSettings(
                endpoint=stack.object_store_endpoint,
                access_key=stack.object_store_access_key,
                secret_key=stack.object_store_secret_key,
                bucket=self._bucket,
            )
        )
        references = []
        for image in images:
            await store.put(self._bucket, key := uuid4().hex, image, "image/jpeg")
            references.append(
                ImageReference(
                    bucket=self._bucket,
                    key=key,
                    sha256=hashlib.sha256(image).hexdigest(),
                    media_type="image/jpeg",
                    size_bytes=len(image),
                    width=1280,
                    height=720,
                )
            )
        await store.close()
        return references

    async def _start(self) -> float:
        environment = {
            **os.environ,
            **self._stack.environ(),
            "KAFKA_TOPIC_PREFIX": self._prefix,
            "OBJECT_STORE_BUCKET": self._bucket,
            "OPENBLAS_NUM_THREADS": "1",
            "RECOGNITION_WORKER_MODEL_CACHE": str(self._model_cache),
            "RECOGNITION_WORKER_PORT": "18010",
        }
        begin = time.perf_counter()
        self._process = self._started(environment)
        async with asyncio.timeout(START_LIMIT_SECONDS):
            while not await asyncio.to_thread(_is_ready):
                if self._process.poll() is not None:
                    tail = self._log.read_text(errors="replace")[-3000:]
                    raise SystemExit(f"the worker ended with {self._process.returncode}:\n{tail}")
                await asyncio.sleep(0.05)
        return time.perf_counter() - begin

    def _started(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", _RUN, str(self._core), "run"]
        with self._log.open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            self.kafka.topic(MATCHES.name),
            bootstrap_servers=self._stack.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            async for record in consumer:
                seen = time.perf_counter()
                match = await self._codec.decode(record.value)
                if isinstance(match, MatchDecided):
                    sent = self._sent[match.capture_id]
                    self._answers.setdefault(match.capture_id, Answer(sent, seen, match.timings_ms))
                    self._answered.set()
        finally:
            await consumer.stop()


def _is_ready() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:18010/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
