"""HTTP errors of one shape: RFC 9457 problems, made here and nowhere else. Types are `urn:problem:<slug>`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from service_kit.observing.logs import correlation_id, get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem:"


class Problem(Exception):
    """Raise it from a request handler: the answer is this problem.

    Args:
        status: the HTTP status.
        type: a slug, e.g. "too-large".
        title: what this type of problem is, the same for every occurrence.
        detail: what happened this time and what to do next.
        headers: e.g. {"Retry-After": "5"}.
        extra: further members of the problem.
    """

    def __init__(
        self,
        status: int,
        type: str,
        title: str,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {type}: {detail or title}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


def problem_response(problem: Problem) -> JSONResponse:
    """Write a problem as a response."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.type,
        "title": problem.title,
        "status": problem.status,
    }
    if problem.detail is not None:
        body["detail"] = problem.detail
    if (value := correlation_id.get()) is not None:
        body["correlation_id"] = value
    return JSONResponse(
        problem.extra | body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def install(app: Starlette) -> None:
    """Make every error of a Starlette or FastAPI app a problem: raised, the framework's, unknown."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        problem = _problem_of(error)
        if problem is None:
            log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
            problem = Problem(500, "internal-error", "Something broke on our side")
        return problem_response(problem)

    for kind in (Problem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)


def _problem_of(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        phrase = HTTPStatus(error.status_code).phrase
        slug = phrase.lower().replace(" ", "-").replace("'", "")
        detail = error.detail if error.detail != phrase else None
        return Problem(error.status_code, slug, phrase, detail, error.headers)
    if isinstance(error, RequestValidationError):
        fields = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": str(item["msg"])}
            for item in error.errors()
        ]
        names = ", ".join(item["field"] for item in fields)
        return Problem(422, "invalid-request", "The request is not valid", f"Mend: {names}", errors=fields)
    return None
