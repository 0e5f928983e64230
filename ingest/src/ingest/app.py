"""The HTTP app: routes, problems, operations and the API description at /docs and /openapi.json."""

from dataclasses import dataclass
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi_swagger import patch_fastapi
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from ingest.captures.accept_capture import CaptureDesk
from ingest.captures.routes import capture_routes
from ingest.corrections.record_correction import CorrectionDesk
from ingest.corrections.routes import correction_routes, period_routes
from ingest.directory.record_directory import DirectoryDesk
from ingest.directory.routes import directory_routes
from ingest.enrolments.erase_biometrics import ErasureDesk
from ingest.enrolments.request_enrolment import EnrolmentDesk
from ingest.enrolments.routes import enrolment_routes, erasure_routes
from ingest.http.authentication import Doorkeeper
from ingest.http.problems import ANSWERS
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import PunchDesk
from ingest.punches.routes import punch_routes
from service_kit.http.every_error import answer_every_error
from service_kit.http.query_parameters import only_known_parameters
from service_kit.http.request_context import RequestContext
from service_kit.observing.health import Health, operations_routes


@dataclass(frozen=True, slots=True)
class Desks:
    """What is served: one desk per use case."""

    captures: CaptureDesk
    enrolments: EnrolmentDesk
    directory: DirectoryDesk
    erasures: ErasureDesk
    punches: PunchDesk
    corrections: CorrectionDesk


@dataclass(frozen=True, slots=True)
class Rules:
    """Where answers point to, and how large requests may be, in bytes."""

    query_api_url: str
    enrolment_bytes: int
    import_bytes: int


def create_app(
    door: Doorkeeper,
    desks: Desks,
    rules: Rules,
    metrics: IngestMetrics,
    *,
    health: Health,
    registry: CollectorRegistry,
) -> ASGIApp:
    """Return the app; it holds no state of its own."""
    app = FastAPI(
        title="Attendance ingest",
        version=version("ingest"),
        description="The only way to write: captures, punches, enrolments, erasures, corrections, periods, "
        "directory.",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        dependencies=[Depends(only_known_parameters)],
        redirect_slashes=False,  # a redirect would repeat whatever Host the sender named
    )
    # The pages of /docs from the package, so that they need no internet.
    patch_fastapi(app, redirect_from_root_to_docs=False)
    answer_every_error(app, ANSWERS)
    url = rules.query_api_url
    app.include_router(capture_routes(door, desks.captures, metrics, query_api_url=url))
    app.include_router(
        enrolment_routes(door, desks.enrolments, metrics, query_api_url=url, limit=rules.enrolment_bytes)
    )
    app.include_router(erasure_routes(door, desks.erasures, metrics))
    app.include_router(directory_routes(door, desks.directory, metrics, import_limit=rules.import_bytes))
    app.include_router(punch_routes(door, desks.punches, metrics))
    app.include_router(correction_routes(door, desks.corrections, metrics))
    app.include_router(period_routes(door, desks.corrections, metrics))
    app.router.routes.extend(operations_routes(health, registry))
    return RequestContext(app)
