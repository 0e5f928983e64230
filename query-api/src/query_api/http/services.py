"""What the routes work with, made by the composition root and reached through the application's state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request

from attendance_schemas.org_types import OrgType, load_org_types
from query_api.metrics import QueryApiMetrics
from query_api.ports import DecisionFeed, PresenceCache, ReadModel
from service_kit.http.tokens import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The adapters behind the routes. A request that waits looks into the read model every `recheck`."""

    read_model: ReadModel
    presence: PresenceCache
    decisions: DecisionFeed
    tokens: Verifier
    metrics: QueryApiMetrics
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    recheck: timedelta = timedelta(seconds=1)
    org_types: Mapping[str, OrgType] = field(default_factory=load_org_types)


def services_of(request: Request) -> Services:
    """Return the services of the application that got this request."""
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]
