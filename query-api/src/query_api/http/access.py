"""From a bearer token to a scope: 401 without a genuine token, 403 without the right to read."""

from typing import Annotated

from fastapi import Depends

from query_api.admit_device import admit_device
from query_api.domain.scope import Caller, Scope, capture_scope, reader_scope, refusal_scope
from query_api.http.services import ServicesOf
from service_kit.http.bearer import Credentials, claims_of


async def _caller(credentials: Credentials, services: ServicesOf) -> Caller:
    claims = await claims_of(credentials, services.tokens)
    return Caller(subject=claims.subject, roles=claims.roles, org_id=claims.tenant, sites=claims.sites)


_CallerOf = Annotated[Caller, Depends(_caller)]


async def _reader(caller: _CallerOf) -> Scope:
    return reader_scope(caller)


async def _capture_reader(caller: _CallerOf, services: ServicesOf) -> Scope:
    scope = capture_scope(caller)
    await admit_device(scope, services.read_model)
    return scope


async def _refusal_reader(caller: _CallerOf) -> Scope:
    return refusal_scope(caller)


ReaderScope = Annotated[Scope, Depends(_reader)]
CaptureScope = Annotated[Scope, Depends(_capture_reader)]
RefusalScope = Annotated[Scope, Depends(_refusal_reader)]
