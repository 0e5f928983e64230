"""HTTP errors of one shape: RFC 9457 problems, written as answers here alone, of types `urn:problem:SLUG`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from service_kit.fields import message_of
from service_kit.observing.logs import correlation_id

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


class _ProblemResponse(JSONResponse):
    """In ASCII: what a problem quotes of a request may be half a character, which UTF-8 cannot write."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


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
    return _ProblemResponse(problem.extra | body, status_code=problem.status, headers=problem.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """Makes the problem of an error whose message is the detail. `retry_after` is in seconds."""

    status: int
    type: str
    title: str
    retry_after: int | None = None

    def __call__(self, error: Exception) -> Problem:
        """Return the problem."""
        return Problem(self.status, self.type, self.title, str(error), retry_after(self.retry_after))


Answers = Mapping[type[Exception], Callable[[Any], Problem]]
"""How a service answers its own errors: by `Answer`, or by a function for those that take more."""


def retry_after(seconds: int | None) -> dict[str, str]:
    """Return the header that says when to come back; none when that is not known."""
    return {} if seconds is None else {"Retry-After": str(seconds)}


def answer_to(error: Exception, answers: Answers) -> Problem | None:
    """Return the problem of an error of a service, or None for a bug."""
    if isinstance(error, Problem):
        return error
    make = next((answers[kind] for kind in type(error).__mro__ if kind in answers), None)
    return None if make is None else make(error)


def invalid_request(errors: Sequence[Any], *within: str) -> Problem:
    """Return the problem of fields that do not fit, as pydantic reports them, in a part of the request."""
    fields = [
        {"field": ".".join([*within, *map(str, item["loc"])]), "message": message_of(item)} for item in errors
    ]
    names = ", ".join(item["field"] for item in fields)
    return Problem(422, "invalid-request", "The request is not valid", f"Mend: {names}", errors=fields)


def described(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Return how an API's description shows the problems of one status."""
    return {status: {"description": description, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}}


_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "An error, RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": [f"{TYPE_PREFIX}invalid-request"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, and what to do next"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "line": {"type": "integer", "description": "of a file"},
                },
            },
        },
    },
}
