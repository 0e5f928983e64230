"""Errors of this service; each message says what happened and what to do, and may be shown to the caller."""


class QueryApiError(Exception):
    """Base of every error of this package."""


class InvalidRange(QueryApiError):
    """The range of a query ends before it starts, or is longer than a query may span."""


class InvalidCursor(QueryApiError):
    """The cursor was changed, or belongs to a query with other filters: start again without it."""


class SiteNotAllowed(QueryApiError):
    """The token restricts its holder to other sites than the one asked for."""


class NotAllowed(QueryApiError):
    """The token is valid, and its roles or claims do not allow this request."""


class UnknownOrganisation(QueryApiError):
    """The caller's organisation is not recorded."""


class UnknownPerson(QueryApiError):
    """No such person in the caller's organisation and sites."""


class UnknownEnrolment(QueryApiError):
    """No decided enrolment of this id in the caller's organisation and sites."""


class CaptureNotDecided(QueryApiError):
    """No decision is known for this capture: recognition is delayed, or the id is unknown."""


class CaptureRefused(QueryApiError):
    """What was decided about this capture was refused by the rules, for the reason of the message."""


class ReadModelUnavailable(QueryApiError):
    """No database answers; the same request may work later."""


class QueryTooSlow(QueryApiError):
    """The database gave the query up after the statement timeout."""
