"""Errors of the demo; each message says what happened and what to do."""


class DemoError(Exception):
    """Base of every error of the demo."""


class ServiceFailed(DemoError):
    """A service ended or did not become ready; the message ends with its last log lines."""


class PhotosUnavailable(DemoError):
    """Photos could not be fetched or are not what they should be."""


class VerificationFailed(DemoError):
    """What the services' stores hold is not what was sent."""


class NoDemoRuns(DemoError):
    """A command needs the demo that runs, and none does."""
