"""Which problem each error of a use case becomes: 503 with Retry-After may be repeated, all else is final.

What is wrong with a token or a body, before a use case is called, is raised as a `Problem` where it is found.
"""

import random
from typing import Any

from starlette.requests import ClientDisconnect

from ingest.errors import (
    AlreadyAccepted,
    BadgeTaken,
    Forbidden,
    InvalidRecord,
    NotRecorded,
    OtherKind,
    Refusal,
    RefusedImage,
    SequenceTaken,
    TooLongAgo,
    UnknownPerson,
    UnknownThing,
)
from service_kit.errors import TransientFailure
from service_kit.http.problems import Answer, Answers, Problem, retry_after

RETRY_AFTER_SECONDS = (1, 5)
REPORTED_ERRORS = 100
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


def _away(error: TransientFailure) -> Problem:
    return Problem(
        503,
        "temporarily-unavailable",
        "Temporarily unavailable",
        f"{error.dependency} is away; nothing is lost, send the same request again",
        retry_after(random.randint(*RETRY_AFTER_SECONDS)),
    )


def _refused(error: RefusedImage) -> Problem:
    status = REFUSAL_STATUS.get(error.reason, 422)
    return Problem(status, error.reason, REFUSAL_TITLE[error.reason], str(error))


def _disconnected(_error: ClientDisconnect) -> Problem:
    return Problem(400, "incomplete-request", "The request ended early", "Send the whole request again")


def _invalid_record(invalid: InvalidRecord) -> Problem:
    errors = invalid.errors
    reported: list[dict[str, Any]] = [
        {"field": error.field, "message": error.message}
        | ({} if error.line is None else {"line": error.line})
        for error in errors[:REPORTED_ERRORS]
    ]
    first = f"{errors[0].field}: {errors[0].message}"
    what = "mend one error" if len(errors) == 1 else f"mend {len(errors)} errors, the first"
    return Problem(
        422,
        "invalid-record",
        "The record is not valid",
        f"Nothing was recorded; {what}: {first}",
        errors=reported,
        error_count=len(errors),
    )


def _sequence_taken(error: SequenceTaken) -> Problem:
    title = "The device_sequence is in use for something else"
    return Problem(409, "sequence-in-use", title, str(error), highest_device_sequence=error.highest)


# What requests end in when they do not go well; anything else is a bug.
ANSWERS: Answers = {
    TransientFailure: _away,
    ClientDisconnect: _disconnected,
    RefusedImage: _refused,
    InvalidRecord: _invalid_record,
    AlreadyAccepted: Answer(409, "id-in-use", "The id is in use for other content"),
    SequenceTaken: _sequence_taken,
    BadgeTaken: Answer(409, "badge-in-use", "The badge is somebody else's"),
    TooLongAgo: Answer(422, "too-long-ago", "It happened too long ago"),
    UnknownThing: Answer(404, "unknown-id", "The id is not known here"),
    OtherKind: Answer(422, "other-kind", "The id is of another kind"),
    UnknownPerson: Answer(404, "unknown-person", "The person is not recorded"),
    NotRecorded: Answer(404, "not-recorded", "Nothing is recorded there"),
    Forbidden: Answer(403, "forbidden", "Not yours to do"),
}
