"""Errors of deployment; each message says what happened and what to do."""

from typing import ClassVar


class DeployError(Exception):
    """Base of every error of this package; wrong as long as an operator changes nothing."""

    exit_code: ClassVar[int] = 2


class ServerAway(DeployError):
    """A server does not answer; the same command may succeed later."""

    exit_code: ClassVar[int] = 1


class Refused(DeployError):
    """Something is not as it has to be; the message says what to change."""
