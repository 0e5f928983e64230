"""What ingest needs from the world, as roles. A dependency that is away is service_kit's TransientFailure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attendance_schemas.events import Authority, Event
from attendance_schemas.topics import Topic
from ingest.domain.directory import DirectoryView
from ingest.domain.sequence_ranges import DeviceKey


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Return now, aware UTC."""
        ...


class ImageStore(Protocol):
    """Keeps images, and what was accepted first. What is put once is never replaced."""

    @property
    def bucket(self) -> str:
        """Return the bucket that events refer to."""
        ...

    async def put_new(self, key: str, data: bytes, *, media_type: str) -> bool:
        """Store bytes; return False when the key is taken."""
        ...

    async def read(self, key: str) -> bytes:
        """Return the bytes of a key that is taken."""
        ...

    async def find(self, key: str) -> bytes | None:
        """Return the bytes of a key; None when it is free."""
        ...


class EventPublisher(Protocol):
    """Publishes what was accepted."""

    async def publish(self, event: Event, topic: Topic) -> None:
        """Return when every in-sync replica has the event."""
        ...


class DeviceSequences(Protocol):
    """Knows which sequence numbers of each device of an organisation have arrived."""

    async def record(self, device: DeviceKey, sequence: int) -> int | None:
        """Take a number in; return the highest up to which none is missing, None when not known now."""
        ...

    async def highest_if_used(self, device: DeviceKey, sequence: int) -> int | None:
        """Return the highest number of a device when this one has arrived; None when not, or not known.

        Of those after which there is one.
        """
        ...


class Directory(Protocol):
    """The directory: what is recorded, and recording more."""

    @property
    def view(self) -> DirectoryView:
        """Return what is recorded."""
        ...

    async def record(self, events: Sequence[Event]) -> Sequence[Event]:
        """Publish records in order; return, when all are acked and seen, those that do not count.

        They do not when somebody else recorded the same thing at the same moment.
        """
        ...

    async def take_back(self, event: Event, authority: Authority) -> bool:
        """Publish the end of a record's key and by whom; return, when acked and seen, whether it counts."""
        ...
