"""Every error of an API as a problem: its own, the framework's, and bugs.

Apart from `problems`, since services without an API load no FastAPI, which takes a fifth of a second.
"""

from __future__ import annotations

from http import HTTPMethod, HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match

from service_kit.http.problems import Answers, Problem, answer_to, invalid_request, problem_response
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


def answer_every_error(app: Starlette, answers: Answers | None = None) -> None:
    """Make every error of a Starlette or FastAPI app a problem: its own, the framework's, unknown ones."""
    own = answers or {}

    async def answer(request: Request, error: Exception) -> JSONResponse:
        problem = answer_to(error, own) or _of_framework(error, request)
        if problem is None:
            log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
            problem = Problem(500, "internal-error", "Something broke on our side")
        return problem_response(problem)

    for kind in (Problem, HTTPException, RequestValidationError, *own, Exception):
        app.add_exception_handler(kind, answer)


def _of_framework(error: Exception, request: Request) -> Problem | None:
    if isinstance(error, RequestValidationError):
        return invalid_request(error.errors())
    if not isinstance(error, HTTPException):
        return None
    phrase = HTTPStatus(error.status_code).phrase
    detail, headers = error.detail, dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "Nothing is at this address; the description of the API at /docs lists those there are"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
        detail = f"This address does not take {request.method}; it takes {headers['Allow']}"
    slug = phrase.lower().replace(" ", "-").replace("'", "")
    return Problem(error.status_code, slug, phrase, detail, headers)


def _allowed(request: Request) -> str:
    """Return the methods of every route at a path; the framework tells only those of the first one."""

    def is_right(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(sorted(method for method in HTTPMethod if is_right(method)))
