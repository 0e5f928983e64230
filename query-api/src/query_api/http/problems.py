"""Which problem each error becomes, and how problems look in the API's description."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from query_api import errors
from service_kit.errors import TransientFailure
from service_kit.http.problems import MEDIA_TYPE, TYPE_PREFIX, Problem, install, problem_response
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

# Recognition takes a second when all is well.
RETRY_DECISION_SECONDS = 2
RETRY_DATABASE_SECONDS = 5

# error: status, slug, title, Retry-After in seconds
_PROBLEMS: dict[type[Exception], tuple[int, str, str, int | None]] = {
    errors.InvalidRange: (422, "invalid-range", "The range is not valid", None),
    errors.InvalidCursor: (422, "invalid-cursor", "The cursor is not valid here", None),
    errors.NotAllowed: (403, "forbidden", "The token does not allow this", None),
    errors.SiteNotAllowed: (403, "site-not-allowed", "The token does not cover this site", None),
    errors.UnknownOrganisation: (404, "unknown-organisation", "The organisation is not recorded", None),
    errors.UnknownPerson: (404, "unknown-person", "No such person", None),
    errors.UnknownEnrolment: (404, "enrolment-not-decided", "No decision on this enrolment", None),
    errors.CaptureNotDecided: (
        404,
        "capture-not-decided",
        "No decision on this capture yet",
        RETRY_DECISION_SECONDS,
    ),
    errors.ReadModelUnavailable: (
        503,
        "read-model-unavailable",
        "The database is away",
        RETRY_DATABASE_SECONDS,
    ),
    errors.QueryTooSlow: (503, "query-too-slow", "The query was given up", RETRY_DATABASE_SECONDS),
}


def unauthorised(detail: str) -> Problem:
    """Return the problem of a request without a genuine token."""
    return Problem(401, "unauthorised", "A valid token is needed", detail, {"WWW-Authenticate": "Bearer"})


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error of this service becomes."""
    status, slug, title, retry_after = _PROBLEMS[type(error)]
    return Problem(status, slug, title, str(error), _retry_after(retry_after))


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    install(app)

    async def on_error(_request: Request, error: Exception) -> JSONResponse:
        return problem_response(problem_of(error))

    async def on_transient(_request: Request, error: Exception) -> JSONResponse:
        log.warning("dependency away", error=str(error))
        return problem_response(
            Problem(
                503,
                "dependency-unavailable",
                "A dependency is away",
                "a dependency of this service does not answer; ask again later",
                _retry_after(RETRY_DATABASE_SECONDS),
            )
        )

    app.add_exception_handler(errors.QueryApiError, on_error)
    app.add_exception_handler(TransientFailure, on_transient)


def _retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}


class ProblemBody(BaseModel):
    """An error, RFC 9457."""

    type: str = Field(examples=[f"{TYPE_PREFIX}invalid-range"])
    title: str
    status: int
    detail: str | None = None
    correlation_id: str | None = None


def described(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of one problem status for the API's document."""
    return {
        status: {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}},
        }
    }


PROBLEMS: dict[int | str, dict[str, Any]] = (
    described(401, "No genuine token.")
    | described(403, "The token does not allow this.")
    | described(422, "A parameter is unknown, missing or wrong; `errors` names it.")
    | described(503, "A dependency is away or too slow; see `Retry-After`.")
)


def example(value: object) -> dict[int | str, dict[str, Any]]:
    """Return the description of a good answer."""
    return {200: {"content": {"application/json": {"example": value}}}}
