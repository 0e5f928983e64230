"""The application: routes, problems, health and metrics."""

from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_swagger import patch_fastapi
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from query_api.attendance import routes as attendance
from query_api.captures import routes as captures
from query_api.facts import routes as facts
from query_api.http.measuring import MeasuredApp
from query_api.http.problems import ANSWERS
from query_api.http.services import Services
from query_api.organisation import routes as organisation
from query_api.people import routes as people
from query_api.refusals import routes as refusals
from service_kit.http.every_error import answer_every_error
from service_kit.http.query_parameters import only_known_parameters
from service_kit.http.request_context import RequestContext
from service_kit.observing.health import Health, operations_routes

_DESCRIPTION = """Attendance, presence, captures, enrolments, people and refused facts, read only.

Send `Authorization: Bearer TOKEN` with one of the roles analyst, supervisor, hr, ops, auditor; the claims
`tenant` and `sites` say what is seen. Instants are UTC; dates are local to the site. Lists have pages: follow
`next`. Errors are RFC 9457 problems.
"""


def create_app(services: Services, health: Health, registry: CollectorRegistry) -> ASGIApp:
    """Return the application over these services."""
    app = FastAPI(
        title="Attendance query-api",
        version=version("query-api"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        dependencies=[Depends(only_known_parameters)],
        redirect_slashes=False,  # a redirect would repeat whatever Host the sender named
    )
    # The pages of /docs from the package, so that they need no internet.
    patch_fastapi(app, redirect_from_root_to_docs=False)
    app.state.services = services
    answer_every_error(app, ANSWERS)
    for module in (attendance, captures, facts, organisation, people, refusals):
        app.include_router(module.router)
    app.router.routes.extend(operations_routes(health, registry))
    return RequestContext(MeasuredApp(app, services.metrics))
