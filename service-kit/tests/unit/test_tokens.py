import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from service_kit.errors import InvalidToken, TransientFailure
from service_kit.http.tokens import KEYS_AGE, TokenVerifier
from service_kit.settings import AuthSettings

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def token(key: Any = RSA_KEY, kid: str = "k1", algorithm: str = "RS256", **changes: Any) -> str:
    claims = {
        "iss": "https://issuer.example",
        "aud": "things",
        "sub": "ada",
        "exp": time.time() + 300,
        "roles": ["analyst"],
        "tenant": "o1",
    }
    claims |= changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


# In records, answers and logs: NUL, half a character, nothing to see, a turned line, a book.
UNREADABLE = ("a\x00b", "a\ud800b", "\u200b", "a\u202eb", "a" * 256)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "jwks.json"
        self.clock = Clock()
        self.publish(jwk(RSA_KEY, "k1"))
        settings = AuthSettings(issuer="https://issuer.example", audience="things", jwks=str(self.path))
        self.verifier = TokenVerifier(settings, clock=self.clock)

    def publish(self, *keys: dict[str, Any]) -> None:
        self.path.write_text(json.dumps({"keys": list(keys)}))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def test_a_good_token_says_who_it_is(issuer: Issuer) -> None:
    claims = await issuer.verifier.verify(token(sites=["s1"]))
    assert (claims.subject, claims.tenant) == ("ada", "o1")
    assert (claims.roles, claims.sites) == ({"analyst"}, {"s1"})
    assert claims.raw["iss"] == "https://issuer.example"
    assert (await issuer.verifier.verify(token())).sites is None


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "others"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"roles": None},
        {"roles": "analyst"},
        {"tenant": None},
        {"tenant": ""},
        {"sites": "s1"},
        {"nbf": time.time() + 3600},
        {"exp": float("inf")},
        *({name: text} for name in ("sub", "tenant") for text in UNREADABLE),
        *({name: ["s1", text]} for name in ("roles", "sites") for text in UNREADABLE),
    ],
)
async def test_wrong_claims_are_refused(issuer: Issuer, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await issuer.verifier.verify(token(**changes))


async def test_forgeries_are_refused(issuer: Issuer) -> None:
    other = rsa.generate_private_key(65537, 2048)
    unsigned = jwt.encode({"sub": "ada"}, None, algorithm="none", headers={"kid": "k1"})
    shared_secret = jwt.encode({"sub": "ada"}, "x" * 32, algorithm="HS256", headers={"kid": "k1"})
    for forged in (token(other), unsigned, shared_secret, "nonsense", token()[:-4] + "AAAA"):
        with pytest.raises(InvalidToken):
            await issuer.verifier.verify(forged)


async def test_an_endless_header_is_a_bad_token(issuer: Issuer) -> None:
    header = base64.urlsafe_b64encode(b"[" * 16_000).decode().rstrip("=")
    with pytest.raises(InvalidToken, match="not a token"):
        await issuer.verifier.verify(f"{header}.e30.c2ln")


async def test_a_new_key_is_fetched_but_not_for_every_made_up_one(issuer: Issuer) -> None:
    await issuer.verifier.verify(token())
    issuer.publish(jwk(RSA_KEY, "k1"), jwk(EC_KEY, "k2"))
    rotated = token(EC_KEY, "k2", "ES256")
    with pytest.raises(InvalidToken, match="k2"):
        await issuer.verifier.verify(rotated)
    issuer.clock.now = 11.0
    assert (await issuer.verifier.verify(rotated)).subject == "ada"


async def test_a_withdrawn_key_is_forgotten_without_a_token_of_another(issuer: Issuer) -> None:
    await issuer.verifier.verify(token())
    issuer.publish(jwk(EC_KEY, "k2"))
    issuer.clock.now = KEYS_AGE.total_seconds() - 1
    await issuer.verifier.verify(token())
    issuer.clock.now += 1
    with pytest.raises(InvalidToken, match="does not publish"):
        await issuer.verifier.verify(token())


async def test_known_keys_are_kept_while_the_issuer_is_away(issuer: Issuer) -> None:
    await issuer.verifier.verify(token())
    issuer.path.unlink()
    for _ in range(3):
        issuer.clock.now += KEYS_AGE.total_seconds()
        await issuer.verifier.verify(token())
    issuer.publish(jwk(EC_KEY, "k2"))
    issuer.clock.now += KEYS_AGE.total_seconds()
    with pytest.raises(InvalidToken, match="does not publish"):
        await issuer.verifier.verify(token())


async def test_no_keys_is_an_outage_and_not_a_bad_token(issuer: Issuer) -> None:
    issuer.path.unlink()
    with pytest.raises(TransientFailure, match="token-issuer"):
        await issuer.verifier.verify(token())
    with pytest.raises(TransientFailure, match="token-issuer"):
        await issuer.verifier.check()


@dataclass
class BrokenIssuer:
    """An issuer over HTTP that answers what `answers` holds, one after the other, the last one for ever."""

    answers: list[bytes]
    asked: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        status = b"200 OK" if body else b"500 Internal Server Error"
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)))
        writer.write(body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def asked_over_http(issuer: BrokenIssuer, clock: Clock) -> AsyncIterator[TokenVerifier]:
    server = await asyncio.start_server(issuer.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = AuthSettings(
        issuer="https://issuer.example", audience="things", jwks=f"http://127.0.0.1:{port}/jwks"
    )
    async with server:
        yield TokenVerifier(settings, clock=clock)


async def test_a_failing_issuer_is_asked_once_for_all_who_wait() -> None:
    issuer, clock = BrokenIssuer([b"", json.dumps({"keys": [jwk(RSA_KEY, "k1")]}).encode()]), Clock()
    async with asked_over_http(issuer, clock) as verifier:
        made_up = [verifier.verify(token(kid=f"made-up-{number}")) for number in range(30)]
        answers = await asyncio.gather(*made_up, verifier.check(), return_exceptions=True)
        assert {type(answer) for answer in answers} == {TransientFailure}
        assert issuer.asked == 1
        with pytest.raises(TransientFailure, match="500"):
            await verifier.verify(token())
        assert issuer.asked == 1
        clock.now = 2.0
        assert (await verifier.verify(token())).subject == "ada"
        assert issuer.asked == 2


async def test_an_issuer_that_fails_later_refuses_no_token_of_a_known_key() -> None:
    issuer = BrokenIssuer([json.dumps({"keys": [jwk(RSA_KEY, "k1")]}).encode(), b""])
    clock = Clock()
    async with asked_over_http(issuer, clock) as verifier:
        await verifier.check()
        clock.now = 10.0
        for _ in range(3):
            with pytest.raises(TransientFailure, match="token-issuer"):
                await verifier.verify(token(kid="new"))
            assert (await verifier.verify(token())).subject == "ada"
        assert issuer.asked == 2


UNKNOWN_KEYS = (
    {"kty": "AKP", "alg": "ML-DSA-44", "kid": "new", "pub": "AA"},
    {"kty": "OKP", "crv": "X448", "x": "AA", "kid": "new"},
    {"kty": "RSA", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB", "kid": "new"},
    {"kid": "new"},
)


@pytest.mark.parametrize("unknown", UNKNOWN_KEYS)
async def test_a_key_of_a_kind_that_is_not_known_does_not_hide_the_others(
    issuer: Issuer, unknown: dict[str, Any]
) -> None:
    """RFC 7517, 5: such keys are passed over."""
    issuer.publish(unknown, jwk(RSA_KEY, "k1"))
    assert (await issuer.verifier.verify(token())).subject == "ada"
    with pytest.raises(InvalidToken, match="new"):
        await issuer.verifier.verify(token(kid="new"))


async def test_an_issuer_that_publishes_no_keys_for_a_while_refuses_no_token_of_a_known_key(
    issuer: Issuer,
) -> None:
    await issuer.verifier.check()
    issuer.publish()
    issuer.clock.now = 11.0
    with pytest.raises(TransientFailure, match="no usable keys"):
        await issuer.verifier.verify(token(kid="made-up"))
    assert (await issuer.verifier.verify(token())).subject == "ada"


NO_KEYS = [json.dumps({"keys": keys}).encode() for keys in ([], UNKNOWN_KEYS)]


@pytest.mark.parametrize(
    "answer", [b"[]", b'{"keys": [1]}', b'{"keys": 1}', b"[" * 16_000, b"\xff", b"{}", *NO_KEYS]
)
async def test_an_answer_without_keys_is_an_outage(answer: bytes) -> None:
    async with asked_over_http(BrokenIssuer([answer]), Clock()) as verifier:
        with pytest.raises(TransientFailure, match="no usable keys"):
            await verifier.verify(token())
