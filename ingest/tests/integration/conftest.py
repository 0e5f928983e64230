import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from cryptography.hazmat.primitives.asymmetric import rsa

from attendance_schemas.apply import apply
from attendance_schemas.codec import Codec
from attendance_schemas.events import Event
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import Topic
from ingest.service import serve_ingest
from ingest.settings import Settings
from local_stack.environment import StackEnv
from service_kit.kafka.bounded_reading import records_of
from service_kit.settings import (
    AuthSettings,
    KafkaSettings,
    ObjectStoreSettings,
    SchemaRegistrySettings,
    ValkeySettings,
)

ISSUER = "https://issuer.test"
AUDIENCE = "attendance"
DEADLINE_SECONDS = 30.0


@dataclass
class Issuer:
    """Signs tokens with a key of its own."""

    folder: Path
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def jwks(self) -> Path:
        path = self.folder / "jwks.json"
        if not path.exists():
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            path.write_text(json.dumps({"keys": [public | {"kid": "k1", "use": "sig", "alg": "RS256"}]}))
        return path

    def bearer(self, subject: str, *roles: str, tenant: str, **claims: object) -> dict[str, str]:
        now = int(time.time())
        content = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": roles,
            "tenant": tenant,
            "iat": now,
            "exp": now + 600,
        }
        token = jwt.encode(content | claims, self.key, algorithm="RS256", headers={"kid": "k1"})
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def installation(stack: StackEnv) -> Iterator[KafkaSettings]:
    """Topics and schemas of this run, shared by its tests: each has an organisation of its own."""
    kafka = KafkaSettings(
        bootstrap_servers=stack.kafka_bootstrap_servers, topic_prefix=f"t{secrets.token_hex(3)}."
    )
    asyncio.run(
        apply(
            kafka.bootstrap_servers,
            stack.schema_registry_url,
            prefix=kafka.topic_prefix,
            partitions=2,
            single_broker=True,
        )
    )
    yield kafka
    asyncio.run(_delete_topics(kafka))


async def _delete_topics(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    names = [name for name in await admin.list_topics() if name.startswith(kafka.topic_prefix)]
    await admin.delete_topics(names)
    await admin.close()


@pytest.fixture
def settings(stack: StackEnv, installation: KafkaSettings, issuer: Issuer, bucket: str) -> Settings:
    return Settings(
        port=0,
        query_api_url="https://query.test",
        max_image_bytes=1_000_000,
        dependency_timeout_seconds=3,
        kafka=installation,
        object_store=ObjectStoreSettings(
            endpoint=stack.object_store_endpoint,
            access_key=stack.object_store_access_key,
            secret_key=stack.object_store_secret_key,
            bucket=bucket,
        ),
        auth=AuthSettings(issuer=ISSUER, audience=AUDIENCE, jwks=str(issuer.jwks)),
        valkey=ValkeySettings(url=stack.valkey_url),
        schema_registry=SchemaRegistrySettings(url=stack.schema_registry_url),
    )


@dataclass
class Ingest:
    """A running service, an organisation of its own, and what it wrote."""

    client: httpx.AsyncClient
    settings: Settings
    issuer: Issuer
    org_id: str
    stopping: asyncio.Event

    def own(self, name: str) -> str:
        return f"{name}-{self.org_id}"

    def bearer(self, subject: str, *roles: str) -> dict[str, str]:
        return self.issuer.bearer(subject, *roles, tenant=self.org_id)

    async def put(self, collection: str, identity: str, /, **document: object) -> httpx.Response:
        response = await self.client.put(
            f"/v1/directory/{collection}/{identity}", headers=self.bearer("ops-1", "ops"), json=document
        )
        assert response.status_code == 200, response.text
        return response

    async def furnish(self) -> str:
        """Record an organisation, a site, a kiosk and a person; return the kiosk."""
        await self.put("organisations", self.org_id, name="Acme", time_zone="Asia/Kolkata")
        await self.put("sites", self.own("pune"), name="Pune", time_zone="Asia/Kolkata")
        gate = self.own("gate")
        await self.put("devices", gate, site_id=self.own("pune"), name="Gate", kind="KIOSK")
        await self.put("persons", self.own("p-1"), home_site_id=self.own("pune"), display_name="Asha")
        return gate

    async def send(
        self, device_id: str, metadata: dict[str, object], image: bytes, **headers: str
    ) -> httpx.Response:
        return await self.client.post(
            "/v1/captures",
            headers=self.bearer(device_id, "device") | headers,
            data={"metadata": json.dumps(metadata)},
            files={"image": ("a.jpg", image, "image/jpeg")},
        )

    async def events(self, topic: Topic) -> list[tuple[bytes | None, Event, dict[str, bytes]]]:
        """Return what this organisation has on a topic: key, event and headers."""
        found = []
        kafka = self.settings.kafka
        async with SchemaRegistry(self.settings.schema_registry.url) as registry:
            codec = Codec(registry)
            async for record in records_of(kafka, kafka.topic(topic.name)):
                if record.value is not None and (record.key or b"").startswith(f"{self.org_id}:".encode()):
                    found.append((record.key, await codec.decode(record.value), dict(record.headers)))
        return found

    async def tombstones(self, topic: Topic) -> list[tuple[str, dict[str, bytes]]]:
        """Return the key and the headers of every tombstone of this organisation."""
        kafka = self.settings.kafka
        ended = [each async for each in records_of(kafka, kafka.topic(topic.name)) if each.value is None]
        keyed = [((each.key or b"").decode(), dict(each.headers)) for each in ended]
        return [(key, headers) for key, headers in keyed if key.startswith(f"{self.org_id}:")]

    async def ready(self, *, within_reach: bool) -> set[str]:
        """Wait until it is ready, or is not; return the names of the checks that fail then."""
        await until(lambda: self._is_ready(within_reach))
        checks = (await self.client.get("/health/ready")).json()["checks"]
        return {name for name, reason in checks.items() if reason != "ok"}

    async def _is_ready(self, wanted: bool) -> bool:
        return await _is_ready(self.client) is wanted

    async def sample(self, name: str) -> float:
        text = (await self.client.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


Start = Callable[[Settings], AbstractAsyncContextManager[Ingest]]


@pytest.fixture
def start(issuer: Issuer) -> Start:
    """Start the service on a real port; `async with start(settings) as ingest`."""

    @asynccontextmanager
    async def started(settings: Settings, *, ready: bool = True) -> AsyncIterator[Ingest]:
        stopping = asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        service = asyncio.create_task(serve_ingest(settings, stopping, on_listening=port.set_result))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await port}", timeout=20) as client:
            try:
                if ready:
                    await until(lambda: _is_ready(client))
                yield Ingest(client, settings, issuer, f"o{secrets.token_hex(4)}", stopping)
            finally:
                stopping.set()
                await service

    return started


async def _is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health/ready")).status_code == 200


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition, an async function, until it holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is awaited happens in servers
            await asyncio.sleep(0.05)


@pytest.fixture
async def ingest(start: Start, settings: Settings) -> AsyncIterator[Ingest]:
    async with start(settings) as running:
        yield running


@dataclass
class Gate:
    """A way to a server that can be closed: what comes later is refused, what is open breaks."""

    host: str
    port: int
    own_port: int = 0
    _server: asyncio.Server | None = None
    _streams: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.own_port)
        self.own_port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for stream in list(self._streams):
                stream.close()
            self._server = None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        self._streams |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer), return_exceptions=True)
        self._streams -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def gate_to() -> AsyncIterator[Callable[[str, int], Awaitable[Gate]]]:
    gates: list[Gate] = []

    async def make(host: str, port: int) -> Gate:
        gate = Gate(host, port)
        await gate.open()
        gates.append(gate)
        return gate

    yield make
    for gate in gates:
        await gate.close()


@pytest.fixture
def poll() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    return until
