"""What this command refuses, and why; each message says what to do."""


class OpsError(Exception):
    """Base class: an operator has to change something. Exit code 2."""


class WrongSelection(OpsError):
    """What was selected does not exist, or cannot be meant."""


class NotAllowed(OpsError):
    """Whoever asks may not do this, or not alone."""


class NoArchive(OpsError):
    """The settings name no archive."""
