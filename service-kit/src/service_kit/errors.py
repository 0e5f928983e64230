"""The errors of the plumbing, with one base class, and the two endings of the delivery loop that are errors.

Adapters translate what their library raises into these, so that a use case never sees a client library's
error.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service_kit.kafka.records import Record


class ServiceKitError(Exception):
    """Base class of every error that this package raises."""


class SettingsError(ServiceKitError):
    """The environment does not hold usable settings; the message names each variable, never a value."""


class CannotListen(ServiceKitError):
    """The port is taken, or this machine has no such address; the service has to be given another."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}, port {port}: {reason}")


class PoisonRecord(ServiceKitError):
    """A record that can never be handled, however often it is tried: it belongs in the dead letters.

    Attributes:
        reason: a short slug, fit for a metric label and for the `dlq-reason` header.
        detail: what is wrong, for people.
        record: the record that is meant when a batch was handled; None when the handler cannot tell.
        others_pass: the handler has shown, on what is known to be good, that it is the record's own fault. It
            says nothing about the release then, whoever and however many send the like.
    """

    def __init__(
        self, reason: str, detail: str = "", *, record: Record | None = None, others_pass: bool = False
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.record = record
        self.others_pass = others_pass


class TransientFailure(ServiceKitError):
    """A dependency is away: the same work can succeed later, so it is tried again, and nothing is committed.

    Attributes:
        dependency: which one, a short slug fit for a metric label, e.g. "kafka".
        detail: what happened, for people.
        is_contention: somebody else holds what the work needs. That says nothing about the record, so it
            never counts as a record that fails alone.
    """

    def __init__(self, dependency: str, detail: str = "", *, is_contention: bool = False) -> None:
        super().__init__(f"{dependency}: {detail}" if detail else dependency)
        self.dependency = dependency
        self.detail = detail
        self.is_contention = is_contention


class DeadLetterLimitExceeded(ServiceKitError):
    """The last records of too many senders are poison: a bad release, not bad records.

    The consumer stops without committing the last one. Deploy the fix and start it again; nothing is lost.
    """


class DeadLetterRefused(ServiceKitError):
    """Kafka takes no dead letter, however small: the consumer stops without committing the record."""


class LogLost(ServiceKitError):
    """The log ends before a position, or begins after it: records were lost, or the topic was made again.

    Going on would take new records for old ones, or pass over some. Nothing is consumed until somebody has
    decided what counts.
    """


class ArchiveBroken(ServiceKitError):
    """A file of the archive is missing, or is not what was put there. The message names it."""


class ViewOutdated(ServiceKitError):
    """A view of a compacted topic was cut off so long that it may have missed what was taken back.

    The log forgets tombstones after a while. The process ends and is started again: then it reads everything.
    """

    def __init__(self, topic: str, away: timedelta) -> None:
        super().__init__(
            f"{topic} was out of reach for {away}; what was taken back meanwhile may be gone from it. "
            "Start again, so that the view is built anew"
        )


class DeliveryStopped(ServiceKitError):
    """The service is stopping while a record waits for its next attempt: do not acknowledge the record."""


class ObjectNotFound(ServiceKitError):
    """No object has this key in this bucket."""


class OverwritingStore(ServiceKitError):
    """The object store passes over `If-None-Match`: what was written first under a key would not stay."""

    def __init__(self, bucket: str) -> None:
        super().__init__(
            f"the object store of bucket {bucket} replaces objects although it is asked to write only where "
            "there are none (If-None-Match: *); use a store, or a version of it, with conditional writes"
        )


class InvalidToken(ServiceKitError):
    """The token cannot be trusted: signature, issuer, audience, time or claims are wrong. Answer 401."""
