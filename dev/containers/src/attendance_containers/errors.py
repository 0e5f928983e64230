"""Errors of the containers; each message says what happened and what to do."""


class ContainersError(Exception):
    """Base of every error of this package."""


class CannotRunHere(ContainersError):
    """This machine lacks something that no command of ours can bring."""


class CommandFailed(ContainersError):
    """A program ended with an error; the message ends with what it said."""


class PlayFailed(ContainersError):
    """The system did not keep what it promises."""
