"""Errors of the projector; each message says what happened and what to do."""

from datetime import datetime

from service_kit.errors import PoisonRecord


class ProjectorError(Exception):
    """Base of every error of this package."""


class MigrationRefused(ProjectorError):
    """The database is not ready to be migrated; the message says what an administrator has to do."""


class ReadModelOutdated(ProjectorError):
    """The tables are not those that this version writes: run `attendance-projector migrate`."""


class ReadModelSwitched(ProjectorError):
    """Other tables took the place of those that this projector was writing: ask for the positions again."""


class PositionsSetBack(ProjectorError):
    """The tables lack facts that were applied, as after the promotion of a standby: read them again."""


class TimeLeaps(ProjectorError):
    """Time is to come so far at once that nobody followed meanwhile: compare the directory first.

    to: the instant that is to come.
    """

    def __init__(self, to: datetime, detail: str) -> None:
        super().__init__(detail)
        self.to = to


class TopicReplaced(ProjectorError):
    """A topic is not the one that was consumed; nothing is applied until an operator says what counts."""


class PositionsRefused(ProjectorError):
    """A loss of the log cannot be accepted now; nothing was changed."""


class ClocksApart(ProjectorError):
    """The clock of a broker and that of this machine differ too much to record the time."""


class Unstorable(PoisonRecord):
    """The tables cannot hold a fact, such as one with U+0000 in a text: it is refused once it is found."""

    def __init__(self, detail: str) -> None:
        super().__init__("unstorable", f"the tables cannot hold it: {detail}")


class RebuildRefused(ProjectorError):
    """The rebuild cannot begin or end as asked; nothing that readers see was changed."""


class DaysWait(ProjectorError):
    """Days wait to be computed, so tables are not even: compute them while the live service goes on."""


class UnknownPerson(ProjectorError):
    """Nobody is recorded under the id: check it, or record the person."""


class SnapshotRefused(ProjectorError):
    """What was asked for is not in the read model; the message names it."""


class RetentionRefused(ProjectorError):
    """Months cannot be dropped now; nothing was changed."""
