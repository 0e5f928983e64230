"""Errors of this service; each message says what happened and what to do, and may be shown to the caller."""

from datetime import datetime


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


class UnknownDevice(QueryApiError):
    """The device that asks is not recorded."""


class DeviceRevoked(QueryApiError):
    """The device that asks is revoked: its token counts no more."""


class UnknownOrganisation(QueryApiError):
    """The caller's organisation is not recorded."""


class UnknownPerson(QueryApiError):
    """No such person in the caller's organisation and sites."""


class NotApplied(QueryApiError):
    """A fact counts nothing, or nothing yet; the message says why, in the caller's organisation and sites.

    Attributes:
        kind: what people call the fact.
        fate: REFUSED, DEAD_LETTER, WAITING or UNKNOWN.
        since: when it was refused, set aside or accepted; None: it is not known at all.
        reason: a word for machines.
    """

    def __init__(
        self, kind: str, fate: str, message: str, *, since: datetime | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.fate = fate
        self.since = since
        self.reason = reason


class ReadModelUnavailable(QueryApiError):
    """No database answers; the same request may work later."""


class QueryTooSlow(QueryApiError):
    """The database gave the query up after the statement timeout."""
