"""The errors of this service: one base, one class per thing that a caller treats differently."""

from enum import StrEnum

# A refused file can have many thousands, and a log takes the message.
ERRORS_IN_MESSAGE, LONGEST_QUOTE = 5, 150


class IngestError(Exception):
    """Something was not accepted; the message says what, about which id, and what to do next."""


class Refusal(StrEnum):
    """Why an upload can never be accepted; also a label of the refusal metric and the problem's slug."""

    EMPTY = "empty-image"
    UNSUPPORTED = "unsupported-image-type"
    TOO_LARGE = "image-too-large"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_SMALL = "image-too-small"
    TOO_COMPLEX = "image-too-complex"
    DAMAGED_HEADER = "damaged-image-header"
    UNSUPPORTED_CODING = "unsupported-image-coding"
    ANIMATED = "animated-image"


class RefusedImage(IngestError):
    """These bytes are no image that this service accepts, and never will be."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AlreadyAccepted(IngestError):
    """The id names something else already; the sender must give the new content a new id."""


class AcceptanceUnreadable(IngestError):
    """What lies where an id is remembered cannot be read; ingest did not put it."""


class SequenceTaken(IngestError):
    """A number of a device is of something else that it sent; `highest` is the last one that it used."""

    def __init__(self, message: str, *, highest: int) -> None:
        super().__init__(message)
        self.highest = highest


class TooLongAgo(IngestError):
    """It happened longer ago than a device may speak of, if its clock is right."""


class UnknownThing(IngestError):
    """The organisation of the sender accepted nothing under an id that a request names."""


class OtherKind(IngestError):
    """An id that a request names is of another kind than the request says."""


class UnknownPerson(IngestError):
    """The person of a request is not recorded in the organisation of its sender."""


class NotRecorded(IngestError):
    """There is no such directory record in the organisation of the sender."""


class BadgeTaken(IngestError):
    """Another process recorded somebody else with the same badge first; the person has none now."""


class Overtaken(IngestError):
    """Another process changed the same thing at the same moment, and first: look again, then try again."""


class InvalidRecord(IngestError):
    """A record refers to something that is not there; `errors` name the fields, the message some of them."""

    def __init__(self, errors: "list[FieldError]") -> None:
        told = [f"{error.field}: {error.message}"[:LONGEST_QUOTE] for error in errors[:ERRORS_IN_MESSAGE]]
        more = len(errors) - len(told)
        super().__init__("; ".join(told + ([f"and {more} more"] if more else [])))
        self.errors = errors


class FieldError(IngestError):
    """One field that does not fit, in one line of a file when there is a file."""

    def __init__(self, field: str, message: str, *, line: int | None = None) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.line = line


class Forbidden(IngestError):
    """The sender is known, but this is not theirs to do."""
