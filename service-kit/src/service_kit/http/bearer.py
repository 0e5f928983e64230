"""The bearer token of a request: read from `Authorization`, verified, or answered with 401 (RFC 6750).

Two problems: `token-needed` when there is none, `invalid-token` when there is no reason to believe it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service_kit.errors import InvalidToken
from service_kit.http.problems import Problem
from service_kit.http.tokens import Claims, Verifier
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

_scheme = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="An access token of the issuer that this API trusts."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)]
"""A parameter of a route: what the request carries in `Authorization`, if it is a bearer token."""


async def claims_of(credentials: HTTPAuthorizationCredentials | None, verifier: Verifier) -> Claims:
    """Return what the token of a request says.

    Raises:
        Problem: 401, without a token or with one that is not valid.
        TransientFailure: the issuer's keys cannot be fetched.
    """
    if credentials is None:
        raise Problem(
            401,
            "token-needed",
            "A token is needed",
            "Send the header Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )
    try:
        return await verifier.verify(credentials.credentials)
    except InvalidToken as error:
        log.info("token refused", reason=str(error))
        raise Problem(
            401,
            "invalid-token",
            "The token is not valid",
            f"{error}; get a new token",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from error
