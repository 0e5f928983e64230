"""Both APIs believe tokens of an OpenID provider of another making, by its address, while its keys change."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from attendance_demo.deployment import Deployment, deployed
from attendance_testing.identity_provider import AUDIENCE, Client, IdentityProvider, identity_provider
from attendance_testing.polling import eventually
from local_stack.keys.certificates import Authority
from service_kit.errors import InvalidToken, TransientFailure
from service_kit.http.tokens import KEYS_AGE, REFETCH_INTERVAL, TokenVerifier
from service_kit.settings import AuthSettings

OPS = Client("ops-1", "secret", {"roles": ["ops"], "tenant": "acme-idp"})
STRANGER = Client("nobody", "secret", {})


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    """Holds the provider up; closed, it is away."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def provider(serving: ExitStack, tmp_path: Path) -> IdentityProvider:
    certificate = Authority().issue(tmp_path / "provider", "provider")
    return serving.enter_context(identity_provider(certificate, OPS, STRANGER))


@pytest.fixture
def deployment(environ: dict[str, str], provider: IdentityProvider, tmp_path: Path) -> Iterator[Deployment]:
    trusted = {
        "AUTH_ISSUER": provider.issuer,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_JWKS": provider.jwks_url,
        "AUTH_SSL_CA_FILE": str(tmp_path / "provider/ca.crt"),
    }
    with deployed({**environ, **trusted}, tmp_path / "logs") as running:
        query_api = running.start("query-api", wait=False)
        running.start("ingest", query_api_url=query_api.url)
        query_api.wait_ready()
        yield running


class Session:
    """A client as an integrator writes it: all but the issuer's address comes from the provider itself."""

    def __init__(self, provider: IdentityProvider, deployment: Deployment, ca: Path) -> None:
        self.client = httpx.Client(verify=ssl.create_default_context(cafile=ca), timeout=30)
        self.configuration = self.client.get(f"{provider.issuer}/.well-known/openid-configuration").json()
        self.ingest = deployment.services["ingest"].url
        self.query = deployment.services["query-api"].url

    def token(self, who: Client) -> str:
        answer = self.client.post(
            self.configuration["token_endpoint"],
            auth=(who.client_id, who.secret),
            data={"grant_type": "client_credentials"},
        )
        return str(answer.raise_for_status().json()["access_token"])

    def writes(self, token: str) -> int:
        organisation = {"name": "Acme", "time_zone": "Asia/Kolkata"}
        url = f"{self.ingest}/v1/directory/organisations/acme-idp"
        return self.client.put(
            url, json=organisation, headers={"Authorization": f"Bearer {token}"}
        ).status_code

    def reads(self, token: str) -> int:
        url = f"{self.query}/v1/presence"
        return self.client.get(url, headers={"Authorization": f"Bearer {token}"}).status_code

    async def is_believed(self, token: str) -> None:
        """Both APIs ask for unknown keys again, once in ten seconds."""

        async def by_both() -> bool:
            return 401 not in {self.writes(token), self.reads(token)}

        await eventually(by_both)


@pytest.fixture
def session(provider: IdentityProvider, deployment: Deployment, tmp_path: Path) -> Iterator[Session]:
    opened = Session(provider, deployment, tmp_path / "provider/ca.crt")
    with closing(opened.client):
        yield opened


@pytest.mark.end_to_end
async def test_keys_change_and_nobody_is_turned_away(session: Session, provider: IdentityProvider) -> None:
    first = session.token(OPS)
    assert session.writes(first) == 200
    assert session.reads(first) in {200, 404}  # 404 until the projector, which does not run here, has read it
    assert (session.writes(session.token(STRANGER)), session.reads(session.token(STRANGER))) == (401, 401)

    provider.rotate()
    second = session.token(OPS)
    await session.is_believed(second)
    # Tokens of the old key run on until they expire.
    await session.is_believed(first)

    provider.rotate()
    provider.withdraw()
    third = session.token(OPS)
    await session.is_believed(third)
    # The withdrawn keys went when the new one was fetched.
    for token in (first, second):
        assert (session.writes(token), session.reads(token)) == (401, 401)


@pytest.mark.end_to_end
async def test_a_provider_that_is_away_turns_nobody_away_whose_key_is_known(
    session: Session, provider: IdentityProvider, serving: ExitStack
) -> None:
    known = session.token(OPS)
    await session.is_believed(known)
    provider.rotate()
    unknown = session.token(OPS)
    serving.close()

    async def is_told_to_come_again() -> bool:
        return (session.writes(unknown), session.reads(unknown)) == (503, 503)

    await eventually(is_told_to_come_again)
    assert session.writes(known) == 200
    assert session.reads(known) in {200, 404}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def token_of(provider: IdentityProvider, who: Client, ca: Path) -> str:
    with httpx.Client(verify=ssl.create_default_context(cafile=ca)) as client:
        answer = client.post(
            f"{provider.issuer}/token",
            auth=(who.client_id, who.secret),
            data={"grant_type": "client_credentials"},
        )
        return str(answer.raise_for_status().json()["access_token"])


async def test_a_verifier_follows_the_keys_that_the_provider_publishes(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    """Without services, so that the time between two questions for keys passes at once."""
    ca, clock = tmp_path / "provider/ca.crt", Clock()
    settings = AuthSettings(issuer=provider.issuer, audience=AUDIENCE, jwks=provider.jwks_url, ssl_ca_file=ca)
    verifier = TokenVerifier(settings, clock=clock)
    first = token_of(provider, OPS, ca)
    claims = await verifier.verify(first)
    assert (claims.subject, claims.roles, claims.tenant) == ("ops-1", {"ops"}, "acme-idp")

    provider.rotate()
    second = token_of(provider, OPS, ca)
    with pytest.raises(InvalidToken, match="does not publish"):
        await verifier.verify(second)  # it asked a moment ago
    clock.now += REFETCH_INTERVAL.total_seconds()
    for token in (first, second):
        assert (await verifier.verify(token)).subject == "ops-1"

    provider.withdraw()
    assert (await verifier.verify(first)).subject == "ops-1"  # for minutes: docs/operations/production.md
    clock.now += KEYS_AGE.total_seconds()
    with pytest.raises(InvalidToken, match="does not publish"):
        await verifier.verify(first)
    assert (await verifier.verify(second)).subject == "ops-1"


async def test_a_provider_of_another_authority_is_an_outage(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    other = Authority().issue(tmp_path / "other", "other")
    settings = AuthSettings(
        issuer=provider.issuer, audience=AUDIENCE, jwks=provider.jwks_url, ssl_ca_file=other.ca
    )
    with pytest.raises(TransientFailure, match="CERTIFICATE_VERIFY_FAILED"):
        await TokenVerifier(settings).check()
