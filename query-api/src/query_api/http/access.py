"""From a bearer token to a scope: 401 without a genuine token, 403 without the right to read."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from query_api.domain.scope import Caller, Scope, capture_scope, reader_scope
from query_api.http.problems import unauthorised
from query_api.services import ServicesOf

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="A token of the organisation's issuer."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def caller_of(credentials: Credentials, services: ServicesOf) -> Caller:
    """Return who asks. Raises the problem 401."""
    if credentials is None:
        raise unauthorised("send `Authorization: Bearer TOKEN`")
    caller = await services.tokens.caller(credentials.credentials)
    if caller is None:
        raise unauthorised(
            "the token is not genuine, has expired, or is meant for another service; get a new one"
        )
    return caller


CallerOf = Annotated[Caller, Depends(caller_of)]


async def _reader(caller: CallerOf) -> Scope:
    return reader_scope(caller)


async def _capture_reader(caller: CallerOf) -> Scope:
    return capture_scope(caller)


ReaderScope = Annotated[Scope, Depends(_reader)]
CaptureScope = Annotated[Scope, Depends(_capture_reader)]
