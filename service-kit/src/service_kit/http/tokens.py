"""Whom to believe: OIDC access tokens, checked against the keys that their issuer publishes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt

from service_kit.errors import InvalidToken, TransientFailure
from service_kit.fields import readable
from service_kit.settings import AuthSettings

ALGORITHMS = ("RS256", "ES256")
# Clocks of issuer and service may differ by this much.
LEEWAY = timedelta(seconds=30)
# A stream of made-up key ids must not become a stream of requests to the issuer, which may be in trouble.
REFETCH_INTERVAL = timedelta(seconds=10)
RETRY_INTERVAL = timedelta(seconds=2)
# So long after the issuer withdrew a key, its tokens may still be believed.
KEYS_AGE = timedelta(minutes=5)
# OpenID Connect Core 1.0, 2: of a subject; enough for every other claim, too.
LONGEST_CLAIM = 255

# The library lets through what the parsers below it raise: of endless nesting, of an infinite `exp`.
UNREADABLE = (jwt.InvalidTokenError, RecursionError, OverflowError, ValueError)
# What an issuer may answer instead of its keys, or not at all.
UNUSABLE = (
    httpx.HTTPError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    jwt.PyJWTError,
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. `sites` None means no restriction to sites.

    Claim names: `sub`, `roles` (list), `tenant` (organisation id), `sites` (list, optional).
    """

    subject: str
    roles: frozenset[str]
    tenant: str
    sites: frozenset[str] | None
    raw: Mapping[str, Any]


class Verifier(Protocol):
    """Tells true tokens from false ones; `TokenVerifier` is one."""

    async def verify(self, token: str) -> Claims:
        """Return what a token says; InvalidToken, or TransientFailure."""


class TokenVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(
        self,
        settings: AuthSettings,
        *,
        timeout: timedelta = timedelta(seconds=3),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tls = settings.tls()
        self._timeout = timeout.total_seconds()
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at: float | None = None
        self._failure: str | None = None
        self._asking = asyncio.Lock()

    async def verify(self, token: str) -> Claims:
        """Check signature, issuer, audience and times of a token.

        Raises:
            InvalidToken: do not trust it.
            TransientFailure: the issuer's keys cannot be fetched; answer 503.
        """
        try:
            header = jwt.get_unverified_header(token)
        except UNREADABLE as error:
            raise InvalidToken(f"not a token: {error}") from error
        if header.get("alg") not in ALGORITHMS:
            raise InvalidToken(f"signed with {header.get('alg')!r}, expected one of {', '.join(ALGORITHMS)}")
        key = await self._key(str(header.get("kid")))
        try:
            raw = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except UNREADABLE as error:
            raise InvalidToken(str(error)) from error
        return _claims(raw)

    async def check(self) -> None:
        """Raise TransientFailure unless the issuer's keys are known; for readiness."""
        if not self._keys:
            await self._ask_for(None)

    async def _key(self, kid: str) -> jwt.PyJWK:
        if self._passed(KEYS_AGE):
            await self._renew()
        if kid not in self._keys:
            await self._ask_for(kid)
        try:
            return self._keys[kid]
        except KeyError:
            raise InvalidToken(f"signed with a key that the issuer does not publish: {kid!r}") from None

    async def _ask_for(self, kid: str | None) -> None:
        """Ask the issuer, unless it was asked a moment ago; who comes meanwhile waits for the same answer.

        Raises TransientFailure when the last answer was a failure.
        """
        async with self._asking:
            if kid in self._keys:
                return
            if self._may_ask():
                await self._ask()
            if self._failure is not None:
                raise TransientFailure("token-issuer", self._failure)

    async def _renew(self) -> None:
        """Ask again, and forget keys that were withdrawn; while the issuer is away, all are kept."""
        async with self._asking:
            if self._passed(KEYS_AGE):
                await self._ask()

    def _may_ask(self) -> bool:
        return self._passed(REFETCH_INTERVAL if self._failure is None else RETRY_INTERVAL)

    def _passed(self, interval: timedelta) -> bool:
        """Tell whether so much time has passed since the issuer was asked; yes when it never was."""
        return self._asked_at is None or self._clock() - self._asked_at >= interval.total_seconds()

    async def _ask(self) -> None:
        source = self._settings.jwks
        try:
            document = json.loads(await self._read(source))
            signing = [item for item in document["keys"] if item.get("use", "sig") == "sig"]
            keys = [key for item in signing if (key := _known_key(item)) is not None]
        except UNUSABLE as error:
            self._failure = f"no usable keys at {source}: {error!r}"
        else:
            # Whoever publishes no key is in trouble; those that were known stay.
            self._failure = None if keys else f"no usable keys at {source}: {len(signing)} are of other kinds"
            self._keys = {str(key.key_id): key for key in keys} or self._keys
        self._asked_at = self._clock()

    async def _read(self, source: str) -> str:
        if not source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(source).read_text, "utf-8")
        async with httpx.AsyncClient(timeout=self._timeout, verify=self._tls or True) as client:
            response = await client.get(source)
            response.raise_for_status()
            return response.text


def _known_key(item: Mapping[str, Any]) -> jwt.PyJWK | None:
    """Return a key of a set; None where its kind is not known: it is passed over (RFC 7517, 5)."""
    try:
        return jwt.PyJWK(dict(item))
    except jwt.PyJWTError:
        return None


def _claims(raw: Mapping[str, Any]) -> Claims:
    sites = raw.get("sites")
    return Claims(
        subject=_text("sub", raw["sub"]),
        roles=_texts("roles", raw.get("roles")),
        tenant=_text("tenant", raw.get("tenant")),
        sites=None if sites is None else _texts("sites", sites),
        raw=raw,
    )


def _texts(claim: str, value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise InvalidToken(f"claim {claim}: a list of names is needed")
    return frozenset(_text(claim, item) for item in value)


def _text(claim: str, value: object) -> str:
    """Return a name of a claim, which ends up in records, logs and answers."""
    if not isinstance(value, str) or len(value) > LONGEST_CLAIM:
        raise InvalidToken(f"claim {claim}: a name of at most {LONGEST_CLAIM} characters is needed")
    try:
        return readable(value)
    except ValueError as error:
        raise InvalidToken(f"claim {claim}: {error}") from error
