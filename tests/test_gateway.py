"""The gateway as it is deployed, before the real services: what it blocks, what it lets pass, how it limits.

Clients speak TLS to it, and it speaks TLS to the services with a certificate that they ask for. The services
let in nobody else. `make gateway-test` sends more, and ends with a line of figures.
"""

import asyncio
import itertools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import httpx
import pytest

from attendance_demo.deployment import Deployment, Service, deployed
from attendance_demo.scene.cast import Cast
from attendance_demo.scene.kiosk import Kiosk
from attendance_testing.gateway import attacks, legitimate
from attendance_testing.gateway.nginx import Gateway, gateway, without_limits
from attendance_testing.polling import eventually
from ingest.http.uploads import ENVELOPE_BYTES
from ingest.settings import Settings as IngestSettings
from local_stack.keys.certificates import Authority, Certificate
from local_stack.keys.tokens import sign_token
from local_stack.running.stack import Stack
from service_kit.probe import probe
from service_kit.settings import HttpSettings

pytestmark = [pytest.mark.end_to_end, pytest.mark.gateway, pytest.mark.timeout(1800)]

REQUESTS = int(os.environ.get("GATEWAY_REQUESTS", "300"))
ATTACKS = int(os.environ.get("GATEWAY_ATTACKS", "300"))
AT_ONCE = 12
ORGANISATION = "acme-gateway"
CAPTURES_OF_A_KIOSK = 40
SERVICES = ("ingest", "query-api")

Sign = Callable[[str, str], str]


@dataclass
class Site:
    """The services behind, the certificates, and what a client needs."""

    deployment: Deployment
    certificates: Certificate
    environ: dict[str, str]
    sign: Sign
    trust: ssl.SSLContext

    def addresses(self) -> dict[str, object]:
        services = self.deployment.services
        return {
            "ingest": f"127.0.0.1:{services['ingest'].port}",
            "query_api": f"127.0.0.1:{services['query-api'].port}",
            "certificates": self.certificates.folder,
            "upstream": "tls",
        }

    def gateway(self, folder: Path, **settings: object):
        return gateway(folder, self.certificates.ca, **self.addresses(), **settings)

    def client(self, through: Gateway, *, http2: bool = False) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=through.url, verify=self.trust, timeout=60, http2=http2)


def secured(environ: dict[str, str], authority: Authority, folder: Path) -> dict[str, str]:
    """Return settings with which the services speak TLS with the gateway alone, and with their own probe."""
    found = dict(environ)
    for name in SERVICES:
        own, prefix = authority.issue(folder / name, name), name.upper().replace("-", "_")
        found |= {
            f"{prefix}_SSL_CERT_FILE": str(own.cert),
            f"{prefix}_SSL_KEY_FILE": str(own.key),
            f"{prefix}_SSL_CLIENT_CA_FILE": str(own.ca),
            f"{prefix}_SSL_CLIENT_NAMES": f"gateway,{name}",
        }
    return found


def wait_ready(service: Service, environ: dict[str, str]) -> None:
    prefix = service.name.upper().replace("-", "_")
    asked = HttpSettings(
        port=service.port,
        ssl_cert_file=environ[f"{prefix}_SSL_CERT_FILE"],
        ssl_key_file=environ[f"{prefix}_SSL_KEY_FILE"],
    )
    while not (answer := probe(asked, "ready")).is_well:
        if service.process.poll() is not None:
            raise service.failed(f"{service.how_it_ended()}: {answer.text}")


@pytest.fixture
def site(environ: dict[str, str], stack_control: Stack, tmp_path: Path) -> Iterator[Site]:
    authority = Authority()
    environ = secured(environ, authority, tmp_path / "tls")
    own = authority.issue(tmp_path / "tls/gateway", "gateway")

    @cache
    def sign(role: str, subject: str) -> str:
        return sign_token(stack_control.folder, roles=[role], subject=subject, organisation=ORGANISATION)

    with deployed(environ, tmp_path / "logs") as deployment:
        for name in SERVICES:
            deployment.start(name, wait=False)
        for service in deployment.services.values():
            wait_ready(service, environ)
        yield Site(deployment, own, environ, sign, ssl.create_default_context(cafile=own.ca))


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway without limits, whose organisation is recorded."""
    with site.gateway(tmp_path / "gateway", **without_limits()) as running:
        async with site.client(running) as client:
            await set_up(client, site.sign)
            yield client


async def set_up(client: httpx.AsyncClient, sign: Sign) -> None:
    for sent in legitimate.setting_up(ORGANISATION):
        response = await legitimate.send(client, sent, sign)
        assert response.status_code in sent.statuses, response.text


async def test_the_gateway_keeps_its_promises(
    site: Site, client: httpx.AsyncClient, cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One test, since the services are started once for it; `gateway ok` sums it up."""
    passed = await every_legitimate_request_passes(client, site.sign, REQUESTS)
    blocked = await every_attack_is_blocked(client, site.trust)
    await answers_are_problems_and_carry_one_id(site, client)
    await nobody_says_who_he_is_for_others(site, client)
    await bodies_are_as_large_as_services_take(client, site.sign)
    with site.gateway(tmp_path / "limited", device_rate=5, device_burst=5, retry_after=1) as limited:
        refused, delivered = await a_kiosk_above_its_rate_waits_and_delivers(site, limited, cast)
    with capsys.disabled():
        print(
            f"\ngateway ok: attacks={blocked} blocked={blocked} legitimate={REQUESTS} passed={passed} "
            f"limited={refused} delivered={delivered}"
        )


async def test_renewed_certificates_are_shown_while_services_are_away(tmp_path: Path) -> None:
    authority, nobody = Authority(), "127.0.0.1:9"
    own = authority.issue(tmp_path / "tls", "gateway")
    trust = ssl.create_default_context(cafile=own.ca)
    addresses = {"ingest": nobody, "query_api": nobody, "certificates": own.folder}
    with gateway(tmp_path / "gateway", own.ca, **addresses, reload_seconds=1) as running:
        authority.issue(own.folder, "gateway")

        async def is_shown() -> bool:
            _, writer = await asyncio.open_connection("localhost", running.port, ssl=trust)
            serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
            writer.close()
            await writer.wait_closed()
            return serial == own.serial()

        await eventually(is_shown)
        async with httpx.AsyncClient(base_url=running.url, verify=trust) as client:
            answer = await client.get("/v1/people")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:problem:unavailable")
        assert answer.headers["retry-after"] == "5"
        # A request is logged once its answer is sent.
        await eventually(lambda: asyncio.to_thread(lambda: '"status":503' in running.logged()))


async def every_legitimate_request_passes(client: httpx.AsyncClient, sign: Sign, count: int) -> int:
    traffic = itertools.islice(iter(legitimate.Traffic()), count)
    wrong: list[str] = []
    passed = 0

    async def sender() -> None:
        nonlocal passed
        for sent in traffic:
            response = await legitimate.send(client, sent, sign)
            if response.status_code in sent.statuses:
                passed += 1
            else:
                wrong.append(f"{sent.method} {sent.path} {sent.content!r:.600}: {response.text}")

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    assert wrong == []
    return passed


async def every_attack_is_blocked(client: httpx.AsyncClient, trust: ssl.SSLContext) -> int:
    everything = attacks.corpus()
    chosen = iter(everything[:: max(1, len(everything) // ATTACKS)])
    passed: list[str] = []
    count = 0

    async def sender() -> None:
        nonlocal count
        for attack in chosen:
            count += 1
            reply = await attacks.send(attack, client.base_url.port, trust)
            if not reply.is_blocked:
                passed.append(f"{attack.name}: {reply}: {attack.request!r:.300}")

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    assert passed == []
    assert count >= 200
    return count


async def answers_are_problems_and_carry_one_id(site: Site, client: httpx.AsyncClient) -> None:
    token = {"Authorization": f"Bearer {site.sign('hr', 'hr-1')}"}
    for path, headers, status, problem in (
        ("/metrics", {}, 404, "not-found"),
        ("/health/ready", {}, 404, "not-found"),
        ("/docs", {}, 404, "not-found"),
        ("/v1/people?q=%27%20or%201%3D1%20--%20", token, 403, "blocked"),
        ("/v1/people", {"Cookie": "a" * 20_000}, 431, "request-header-fields-too-large"),
        (f"/v1/people?q={'a' * 20_000}", {}, 414, "uri-too-long"),
        ("/v1/people", {}, 401, None),  # the service's own
    ):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        ids = answer.headers.get_list("x-correlation-id")
        assert len(ids) == 1
        assert answer.json()["correlation_id"] == ids[0]
        assert problem is None or answer.json()["type"] == f"urn:problem:{problem}"
        assert "nginx/" not in answer.headers["server"]


async def nobody_says_who_he_is_for_others(site: Site, client: httpx.AsyncClient) -> None:
    """A caller's id is kept, and one that is none is replaced; the log has the address that was seen."""
    kept = await client.get("/v1/organisation", headers={"X-Correlation-ID": "till-7:42"})
    assert kept.headers["x-correlation-id"] == "till-7:42"
    forged = await client.get(
        "/v1/organisation",
        headers={"X-Correlation-ID": "two words", "X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7"},
    )
    assert " " not in forged.headers["x-correlation-id"]
    for service in site.deployment.services.values():
        assert "192.0.2.7" not in service.log.read_text(errors="replace")


async def bodies_are_as_large_as_services_take(client: httpx.AsyncClient, sign: Sign) -> None:
    """The limits of both are the same: what a service takes passes, and a byte more ends at the gateway."""
    limits = {name: IngestSettings.model_fields[name].default for name in IngestSettings.model_fields}
    ops = {"Authorization": f"Bearer {sign('hr', 'hr-1')}"}
    for path, kind, most in (
        ("/v1/captures", "multipart/form-data; boundary=x", limits["max_image_bytes"] + ENVELOPE_BYTES),
        ("/v1/enrolments", "multipart/form-data; boundary=x", limits["max_enrolment_bytes"]),
        ("/v1/directory/persons/import", "text/csv", limits["max_import_bytes"] + ENVELOPE_BYTES),
        ("/v1/directory/persons/p-1", "application/json", 64 * 1024),
        ("/v1/corrections/additions", "application/json", 64 * 1024),
    ):
        method = "PUT" if path.endswith("p-1") else "POST"
        headers = {**ops, "Content-Type": kind, "Content-Length": str(most + 1)}
        answer = await client.request(method, path, headers=headers, content=b"x" * (most + 1))
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:problem:request-too-large")
        assert "At most" not in answer.json()["detail"]
    # A file of people as large as ingest takes it.
    rows = "person_id,home_site_id,display_name\r\n" + 'p-1,nowhere,"O\'Brien, Seán"\r\n' * 600_000
    text = rows.encode()[: limits["max_import_bytes"]]
    headers = {**ops, "Content-Type": "text/csv"}
    answer = await client.post("/v1/directory/persons/import", headers=headers, content=text)
    assert answer.status_code == 422, answer.text[:300]


async def a_kiosk_above_its_rate_waits_and_delivers(
    site: Site, limited: Gateway, cast: Cast
) -> tuple[int, int]:
    refused: list[httpx.Response] = []

    async def note(response: httpx.Response) -> None:
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            await response.aread()
            refused.append(response)

    async with site.client(limited) as client:
        client.event_hooks = {"response": [note]}
        device = legitimate.SPARE_DEVICE
        kiosk = Kiosk(device, site.sign("device", device), limited.url, limited.url, client)
        now = datetime.now(UTC)
        shots = [kiosk.take(cast.strangers[0], now) for _ in range(CAPTURES_OF_A_KIOSK)]
        answers = await asyncio.gather(*map(kiosk.send, shots))
    assert [answer for answer in answers if not answer.accepted] == []
    assert refused
    for response in refused:
        assert response.headers["retry-after"] == "1"
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:problem:too-many-requests"
    return len(refused), len(kiosk.accepted)
