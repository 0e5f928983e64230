"""Errors of the local stack: one base class; messages say what happened, to what, and what to do next."""


class LocalStackError(Exception):
    """Base of everything that the local stack raises on purpose."""


class NotReady(LocalStackError):
    """A server does not answer its protocol yet; the text says what it answered instead."""


class ServiceFailed(LocalStackError):
    """A server ended, or did not become ready in time; carries the end of its log."""

    def __init__(self, service: str, what: str, log_tail: str) -> None:
        super().__init__(f"{service} {what}.")
        self.service = service
        self.what = what
        self.log_tail = log_tail


class NotRunning(LocalStackError):
    """No supervisor runs for this folder."""
