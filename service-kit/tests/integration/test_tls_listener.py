"""A listener that speaks TLS: who is let in, what a probe learns, and certificates renewed under traffic."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from prometheus_client import CollectorRegistry

from local_stack.files import write_private
from local_stack.keys.certificates import Authority, Certificate
from service_kit.errors import TransientFailure
from service_kit.http.serve import serve
from service_kit.observing.health import Health, operations_app
from service_kit.probe import Answer, What, probe
from service_kit.settings import HttpSettings
from service_kit.tls import Certificates

REQUESTS_A_STEP = 20


class Settings(HttpSettings):
    env_prefix: ClassVar[str] = "EXAMPLE_"


class Service:
    """What listens, who it says it is, and whether it is ready."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self.settings = settings
        self.is_ready = True
        health.add_ready("dependency", self._check)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.settings.port}/health/live"

    async def _check(self) -> None:
        if not self.is_ready:
            raise TransientFailure("dependency", "away")

    async def ask(self, client: Certificate, *, shows: bool = True) -> int:
        """Ask on a connection of its own; return the status."""
        files = Certificates(client.ca, *((client.cert, client.key) if shows else ()))
        async with httpx.AsyncClient(verify=files.client_context()) as asking:
            return (await asking.get(self.url)).status_code

    async def probe(self, what: What) -> Answer:
        return await asyncio.to_thread(probe, self.settings, what)


@asynccontextmanager
async def running(**variables: object) -> AsyncIterator[Service]:
    settings = Settings(**variables)
    stopping, health = asyncio.Event(), Health()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            operations_app(health, CollectorRegistry()),
            "127.0.0.1",
            0,
            tls=settings.tls(),
            stopping=stopping,
            on_listening=listening.set_result,
        )
    )
    service = Service(settings.model_copy(update={"port": await listening}), health)
    async with asyncio.timeout(10):
        while not (await service.probe("live")).is_well:  # bound, and soon listening
            assert not task.done()
    yield service
    stopping.set()
    await asyncio.wait_for(task, 10)


def secured(own: Certificate, *, clients: bool = True, names: str | None = None) -> dict[str, object]:
    variables: dict[str, object] = {"ssl_cert_file": own.cert, "ssl_key_file": own.key}
    if clients:
        variables["ssl_client_ca_file"] = own.ca
    if names is not None:
        variables["ssl_client_names"] = names
    return variables


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def own(authority: Authority, tmp_path: Path) -> Certificate:
    return authority.issue(tmp_path / "own", "ingest")


@pytest.fixture
def caller(authority: Authority, tmp_path: Path) -> Certificate:
    return authority.issue(tmp_path / "caller", "gateway")


async def test_without_a_client_authority_anybody_may_ask(own: Certificate) -> None:
    async with running(**secured(own, clients=False)) as service:
        assert await service.ask(own, shows=False) == 200


async def test_who_shows_no_certificate_that_counts_is_hung_up_on(
    own: Certificate, caller: Certificate, tmp_path: Path
) -> None:
    others = Authority().issue(tmp_path / "other", "gateway")
    write_private(others.ca, own.ca.read_text())
    async with running(**secured(own)) as service:
        assert await service.ask(caller) == 200
        for refused, shows in ((caller, False), (others, True)):
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                await service.ask(refused, shows=shows)


async def test_an_expired_certificate_opens_nothing(
    own: Certificate, authority: Authority, tmp_path: Path
) -> None:
    expired = authority.issue(tmp_path / "expired", "gateway", valid=timedelta(days=-1))
    async with running(**secured(own)) as service:
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await service.ask(expired)


async def test_only_clients_that_are_named_get_an_answer(
    own: Certificate, caller: Certificate, authority: Authority, tmp_path: Path
) -> None:
    other = authority.issue(tmp_path / "other", "recognition-worker")
    async with running(**secured(own, names="gateway, ingest")) as service:
        assert await service.ask(caller) == 200
        assert (await service.probe("ready")).is_well
        files = Certificates(other.ca, other.cert, other.key)
        async with httpx.AsyncClient(verify=files.client_context()) as asking:
            refused = await asking.get(service.url)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:problem:forbidden")
        assert "'recognition-worker'" in refused.json()["detail"]


async def test_plain_text_is_not_answered(own: Certificate) -> None:
    async with running(**secured(own)) as service, httpx.AsyncClient() as asking:
        with pytest.raises(httpx.TransportError):
            await asking.get(service.url.replace("https", "http"))


async def test_every_request_is_answered_while_authority_and_certificates_are_renewed(
    own: Certificate, caller: Certificate, authority: Authority
) -> None:
    new, statuses, a_step = Authority(), list[int](), asyncio.Event()
    steps = [(authority, [authority, new]), (new, [authority, new]), (new, [new])]

    async def traffic(stopping: asyncio.Event, service: Service) -> None:
        while not stopping.is_set():
            statuses.append(await service.ask(caller))
            if len(statuses) % REQUESTS_A_STEP == 0:
                a_step.set()

    async with running(**secured(own)) as service:
        old_caller = {file: file.read_text() for file in (caller.ca, caller.cert, caller.key)}
        stopping, first = asyncio.Event(), own.serial()
        sending = asyncio.create_task(traffic(stopping, service))
        for issuing, believing in steps:
            # What is believed first, then what is shown.
            for folder in (own, caller):
                write_private(folder.ca, "".join(each.pem for each in believing))
            for folder, name in ((own, "ingest"), (caller, "gateway")):
                await asyncio.to_thread(issuing.issue, folder.folder, name, believing=believing)
            a_step.clear()
            await asyncio.wait_for(a_step.wait(), 30)
        stopping.set()
        await sending
        assert set(statuses) == {200}
        assert own.serial() != first
        assert await shown_serial(service, caller) == own.serial()
        for file, content in old_caller.items():
            write_private(file, content if file != caller.ca else new.pem)
        with pytest.raises((httpx.TransportError, ssl.SSLError)):
            await service.ask(caller)


async def shown_serial(service: Service, client: Certificate) -> int:
    context = Certificates(client.ca, client.cert, client.key).client_context()
    _, writer = await asyncio.open_connection("127.0.0.1", service.settings.port, ssl=context)
    serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.close()
    await writer.wait_closed()
    return serial


async def test_a_certificate_without_its_key_changes_nothing(
    own: Certificate,
    caller: Certificate,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(**secured(own)) as service:
        before = own.serial()
        other = authority.issue(tmp_path / "other", "ingest")
        write_private(own.cert, other.cert.read_text())
        assert await shown_serial(service, caller) == before
        assert "certificate files cannot be used" in caplog.text
        write_private(own.key, other.key.read_text())
        assert await shown_serial(service, caller) == other.serial()


@pytest.fixture(params=["plain", "TLS", "client certificates"])
def variables(request: pytest.FixtureRequest, own: Certificate) -> Iterator[dict[str, object]]:
    yield {} if request.param == "plain" else secured(own, clients=request.param == "client certificates")


async def test_a_probe_says_what_the_service_says(variables: dict[str, object]) -> None:
    async with running(**variables) as service:
        for what in ("live", "ready"):
            assert await service.probe(what) == Answer(True, f'{{"status":"ok","checks":{checks(what)}}}')
        service.is_ready = False
        answer = await service.probe("ready")
        assert (answer.is_well, "away" in answer.text) == (False, True)
        assert (await service.probe("live")).is_well
        gone = service
    for what in ("live", "ready"):
        answer = await gone.probe(what)
        assert (answer.is_well, "does not answer" in answer.text) == (False, True)


def checks(what: str) -> str:
    return "{}" if what == "live" else '{"dependency":"ok"}'


async def test_with_an_expired_certificate_a_service_is_live_and_not_ready(
    own: Certificate, authority: Authority
) -> None:
    authority.issue(own.folder, "ingest", valid=timedelta(days=-1))
    async with running(**secured(own)) as service:
        ready = await service.probe("ready")
        assert (ready.is_well, "expired" in ready.text) == (False, True)
        assert (await service.probe("live")).is_well
