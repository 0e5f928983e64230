"""Every client of ours proves who it is, believes its own authority alone, and follows its files.

Authority and certificates are replaced while clients live, in the three steps of docs/operations/tls.md: both
sides believe the old and the new authority, both show certificates of the new one, the old one is forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.exceptions import RedisError

from attendance_projector.store.migrate import migrate_and_tell
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from attendance_testing.polling import eventually
from attendance_testing.tls_relay import TlsRelay
from local_stack.environment import StackEnv
from local_stack.files import write_private
from local_stack.for_tests.databases import Database
from local_stack.keys.certificates import Authority, Certificate
from local_stack.running.links import links
from local_stack.running.ports import is_free
from local_stack.running.stack import Stack
from local_stack.running.state import load_state
from query_api.adapters.postgres_pools import PoolOptions, open_pool
from service_kit.errors import TransientFailure
from service_kit.http.tokens import TokenVerifier
from service_kit.kafka.producer import RecordProducer
from service_kit.settings import (
    AuthSettings,
    KafkaSettings,
    ObjectStoreSettings,
    SchemaRegistrySettings,
    ValkeySettings,
)
from service_kit.state.object_store import ObjectStore
from service_kit.state.valkey import valkey_client

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

Ask = Callable[[], Awaitable[object]]
AWAY = (
    OSError,
    TransientFailure,
    RegistryUnavailable,
    RedisError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


@dataclass
class World:
    """The servers, one behind a relay, and the certificates of both sides."""

    stack: StackEnv
    control: Stack
    database: Database
    server: Certificate
    client: Certificate

    @property
    def files(self) -> dict[str, Path]:
        return {
            "ssl_ca_file": self.client.ca,
            "ssl_cert_file": self.client.cert,
            "ssl_key_file": self.client.key,
        }

    def relay(self, url: str) -> TlsRelay:
        return TlsRelay(self.server, urlsplit(url).port or 0)


def behind(url: str, relay: TlsRelay, scheme: str) -> str:
    """Return a URL of the stack as it is behind the relay."""
    parts = urlsplit(url)
    return parts._replace(
        scheme=scheme, netloc=parts.netloc.replace(f":{parts.port}", f":{relay.port}")
    ).geturl()


@asynccontextmanager
async def kafka(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    state = load_state(world.control.folder)
    assert state is not None
    link = next(link for link in links(state) if link.name == "kafka")
    if not is_free(link.proxy_port):  # Toxiproxy stands there, if a test before this one needed it
        await asyncio.to_thread(world.control.stop_service, "toxiproxy")
    with TlsRelay(world.server, link.upstream_port, port=link.proxy_port) as relay:
        settings = KafkaSettings(
            bootstrap_servers=f"127.0.0.1:{relay.port}", security_protocol="SSL", **world.files
        )
        async with RecordProducer(settings, timeout=timedelta(seconds=3)) as producer:
            yield relay, producer.check


@asynccontextmanager
async def valkey(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    with world.relay(world.stack.valkey_url) as relay:
        settings = ValkeySettings(url=behind(world.stack.valkey_url, relay, "rediss"), **world.files)
        client = valkey_client(settings.url.get_secret_value(), settings.tls(), call_seconds=2)
        yield relay, client.ping
        await client.aclose()


@asynccontextmanager
async def object_store(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    with world.relay(world.stack.object_store_endpoint) as relay:
        settings = ObjectStoreSettings(
            endpoint=behind(world.stack.object_store_endpoint, relay, "https"),
            access_key=world.stack.object_store_access_key,
            secret_key=world.stack.object_store_secret_key,
            bucket=world.stack.object_store_bucket,
            **world.files,
        )
        store = ObjectStore(settings)
        yield relay, lambda: store.check(settings.bucket)
        await store.close()


@asynccontextmanager
async def registry(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    with world.relay(world.stack.schema_registry_url) as relay:
        url = behind(world.stack.schema_registry_url, relay, "https")
        settings = SchemaRegistrySettings(url=url, **world.files)
        async with SchemaRegistry(settings.url, settings.tls()) as client:
            yield relay, client.check


@asynccontextmanager
async def postgres(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    url = world.database.url
    with TlsRelay(world.server, urlsplit(url).port or 0, asks_first=True) as relay:
        options = PoolOptions(size=2, statement_timeout_ms=2000, connect_timeout_seconds=3)
        async with open_pool(secured(behind(url, relay, "postgresql"), world.client), options) as pool:
            yield relay, lambda: pool.fetchval("SELECT 1")


@asynccontextmanager
async def issuer(world: World) -> AsyncIterator[tuple[TlsRelay, Ask]]:
    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = Path(world.stack.auth_jwks).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as keys:
        serving = Thread(target=keys.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        with TlsRelay(world.server, keys.server_port) as relay:
            url = f"https://127.0.0.1:{relay.port}/keys"
            settings = AuthSettings(issuer="i", audience="a", jwks=url, **world.files)

            async def ask() -> None:
                await TokenVerifier(settings).check()

            yield relay, ask
        keys.shutdown()
        serving.join()


SERVERS = {each.__name__: each for each in (kafka, valkey, object_store, registry, postgres, issuer)}


def secured(url: str, client: Certificate) -> str:
    files = f"sslrootcert={client.ca}&sslcert={client.cert}&sslkey={client.key}"
    return f"{url}?sslmode=verify-full&{files}"


@pytest.fixture
def world(stack: StackEnv, stack_control: Stack, database: Database, tmp_path: Path) -> World:
    authority = Authority()
    server, client = (authority.issue(tmp_path / name, name) for name in ("server", "client"))
    return World(stack, stack_control, database, server, client)


async def is_refused(ask: Ask) -> bool:
    try:
        await ask()
    except AWAY:
        return True
    return False


@pytest.mark.parametrize("name", SERVERS)
async def test_certificates_that_are_replaced_are_used_without_a_restart(name: str, world: World) -> None:
    old, new = Authority(), Authority()
    steps = [(old, [old]), (old, [old, new]), (new, [old, new]), (new, [new])]
    shown = []
    async with AsyncExitStack() as opened:
        relay = ask = None
        for issuing, believing in steps:
            for folder, common_name in ((world.server, "server"), (world.client, "ingest")):
                issuing.issue(folder.folder, common_name, believing=believing)
            if relay is None or ask is None:
                relay, ask = await opened.enter_async_context(SERVERS[name](world))
            relay.cut()
            await eventually(lambda ask=ask: answers(ask))
            shown.append(relay.serials[-1])
            assert relay.serials[-1] == world.client.serial()
        assert len(set(shown)) == len(steps)
        # Who goes on with the old authority's certificate is not let in any more.
        old.issue(world.client.folder, "ingest", believing=[new])
        relay.cut()
        assert await is_refused(ask)


async def answers(ask: Ask) -> bool:
    return not await is_refused(ask)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("lie", ["another authority", "expired", "another name"])
async def test_a_server_that_cannot_prove_itself_is_not_spoken_to(name: str, lie: str, world: World) -> None:
    async with SERVERS[name](world) as (relay, ask):
        assert await answers(ask)
        honest, other = relay.serials[:], Authority()
        if lie == "another authority":
            other.issue(world.server.folder, "server", believing=[other])
        else:
            valid = timedelta(days=-1) if lie == "expired" else timedelta(days=1)
            hosts = ("server",) if lie == "another name" else ()
            other.issue(world.server.folder, "server", valid=valid, hosts=hosts)
            write_private(world.client.ca, other.pem)
        relay.cut()
        assert await is_refused(ask)
        assert relay.serials == honest


async def test_migrations_use_the_certificates_of_the_url(world: World) -> None:
    port = urlsplit(world.database.url).port or 0
    with TlsRelay(world.server, port, asks_first=True) as relay:
        plain = behind(world.database.url, relay, "postgresql")
        assert await migrate_and_tell(secured(plain, world.client))
        assert set(relay.serials) == {world.client.serial()}
