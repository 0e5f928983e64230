"""Every refusal as an RFC 9457 problem: 503 with Retry-After may be repeated, all else is final."""

import random
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from ingest.errors import (
    AlreadyAccepted,
    FieldError,
    Forbidden,
    InvalidRecord,
    NotRecorded,
    OtherOrganisation,
    Refusal,
    RefusedImage,
    UnknownPerson,
)
from service_kit.errors import InvalidToken, TransientFailure
from service_kit.http import problems
from service_kit.http.problems import Problem, problem_response

RETRY_AFTER_SECONDS = (1, 5)
REPORTED_ERRORS = 100
# What requests end in when they do not go well; anything else is a bug.
ANSWERED: tuple[type[Exception], ...] = (
    Problem,
    TransientFailure,
    InvalidToken,
    ClientDisconnect,
    RefusedImage,
    InvalidRecord,
    AlreadyAccepted,
    OtherOrganisation,
    UnknownPerson,
    NotRecorded,
    Forbidden,
)
REFUSAL_STATUS = {
    Refusal.UNSUPPORTED: 415,
    Refusal.UNSUPPORTED_CODING: 415,
    Refusal.TOO_LARGE: 413,
    Refusal.TOO_MANY_PIXELS: 413,
}
REFUSAL_TITLE = {
    Refusal.EMPTY: "The image is empty",
    Refusal.UNSUPPORTED: "The image type is not supported",
    Refusal.TOO_LARGE: "The image is too large",
    Refusal.TOO_MANY_PIXELS: "The image has too many pixels",
    Refusal.TOO_SMALL: "The image is too small",
    Refusal.TOO_COMPLEX: "The image is too complex",
    Refusal.DAMAGED_HEADER: "The image header is damaged",
    Refusal.UNSUPPORTED_CODING: "The image coding is not supported",
    Refusal.ANIMATED: "The image is animated",
}


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that answers an error, or None for a bug."""
    match error:
        case Problem():
            return error
        case TransientFailure():
            return Problem(
                503,
                "temporarily-unavailable",
                "Temporarily unavailable",
                f"{error.dependency} is away; nothing is lost, send the same request again",
                headers={"Retry-After": str(random.randint(*RETRY_AFTER_SECONDS))},
            )
        case RefusedImage():
            status = REFUSAL_STATUS.get(error.reason, 422)
            return Problem(status, error.reason, REFUSAL_TITLE[error.reason], str(error))
        case InvalidToken():
            return Problem(
                401,
                "invalid-token",
                "The token is not valid",
                f"{error}; get a new token",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        case InvalidRecord():
            return _invalid_record(error.errors)
        case AlreadyAccepted():
            return Problem(409, "id-in-use", "The id is in use for other content", str(error))
        case OtherOrganisation():
            return Problem(409, "id-of-another-organisation", "The id is in use elsewhere", str(error))
        case UnknownPerson():
            return Problem(404, "unknown-person", "The person is not recorded", str(error))
        case NotRecorded():
            return Problem(404, "not-recorded", "Nothing is recorded there", str(error))
        case Forbidden():
            return Problem(403, "forbidden", "Not yours to do", str(error))
        case ClientDisconnect():
            return Problem(
                400, "incomplete-request", "The request ended early", "Send the whole request again"
            )
        case _:
            return None


def field_errors(error: ValidationError, where: str) -> list[dict[str, str]]:
    """Return the errors of a model by field, below the name of the part that it was read from."""
    return [
        {"field": ".".join([where, *map(str, item["loc"])]), "message": str(item["msg"])}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def install_problems(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    problems.install(app)

    async def on_error(_request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if problem is None:
            raise error
        return problem_response(problem)

    for kind in ANSWERED:
        app.add_exception_handler(kind, on_error)


def _invalid_record(errors: list[FieldError]) -> Problem:
    reported: list[dict[str, Any]] = [
        {"field": error.field, "message": error.message}
        | ({} if error.line is None else {"line": error.line})
        for error in errors[:REPORTED_ERRORS]
    ]
    return Problem(
        422,
        "invalid-record",
        "The record is not valid",
        f"Nothing was recorded; mend {len(errors)} errors, the first: {errors[0].field}: {errors[0].message}",
        errors=reported,
        error_count=len(errors),
    )
