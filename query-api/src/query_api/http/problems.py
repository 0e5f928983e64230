"""Which problem each error becomes, and how answers look in the API's description."""

from typing import Any

from query_api import errors
from query_api.domain.fates import Fate
from service_kit.errors import TransientFailure
from service_kit.http.problems import Answer, Answers, Problem, described, retry_after
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

# Recognition takes a second when all is well.
RETRY_DECISION_SECONDS = 2
RETRY_DATABASE_SECONDS = 5


def _dependency_away(error: TransientFailure) -> Problem:
    log.warning("a request got 503", dependency=error.dependency, error=error.detail)
    return Problem(
        503,
        "dependency-unavailable",
        "A dependency is away",
        "a dependency of this service does not answer; ask again later",
        retry_after(RETRY_DATABASE_SECONDS),
    )


def _not_applied(error: errors.NotApplied) -> Problem:
    """Return one problem for each fate; only what waits is to be asked for again."""
    kind = error.kind
    told = {
        Fate.REFUSED: (f"{kind}-refused", f"The {kind} counts nothing"),
        Fate.DEAD_LETTER: (f"{kind}-dead-letter", f"The {kind} could not be handled"),
        Fate.WAITING: (f"{kind}-waiting", f"The {kind} waits for recognition"),
        Fate.UNKNOWN: (f"unknown-{kind}", f"No such {kind}"),
    }
    slug, title = told[Fate(error.fate)]
    extra = {"reason": error.reason, "since": None if error.since is None else error.since.isoformat()}
    again = retry_after(RETRY_DECISION_SECONDS if error.fate == Fate.WAITING else None)
    known = {name: value for name, value in extra.items() if value is not None}
    return Problem(404, slug, title, str(error), again, fate=str(error.fate), **known)


ANSWERS: Answers = {
    errors.InvalidRange: Answer(422, "invalid-range", "The range is not valid"),
    errors.InvalidCursor: Answer(422, "invalid-cursor", "The cursor is not valid here"),
    errors.NotAllowed: Answer(403, "forbidden", "The token does not allow this"),
    errors.SiteNotAllowed: Answer(403, "site-not-allowed", "The token does not cover this site"),
    errors.UnknownDevice: Answer(403, "unknown-device", "The device is not recorded"),
    errors.DeviceRevoked: Answer(403, "revoked-device", "The device is revoked"),
    errors.UnknownOrganisation: Answer(404, "unknown-organisation", "The organisation is not recorded"),
    errors.UnknownPerson: Answer(404, "unknown-person", "No such person"),
    errors.NotApplied: _not_applied,
    errors.ReadModelUnavailable: Answer(
        503, "read-model-unavailable", "The database is away", RETRY_DATABASE_SECONDS
    ),
    errors.QueryTooSlow: Answer(503, "query-too-slow", "The query was given up", RETRY_DATABASE_SECONDS),
    TransientFailure: _dependency_away,
}

PROBLEMS: dict[int | str, dict[str, Any]] = (
    described(401, "`token-needed` or `invalid-token`.")
    | described(403, "The token does not allow this.")
    | described(422, "A parameter is unknown, missing or wrong; `errors` names it.")
    | described(503, "A dependency is away or too slow; see `Retry-After`.")
)
UNRECORDED = described(404, "`unknown-organisation`: the organisation of the token is not recorded.")


def example(value: object) -> dict[int | str, dict[str, Any]]:
    """Return the description of a good answer."""
    return {200: {"content": {"application/json": {"example": value}}}}
