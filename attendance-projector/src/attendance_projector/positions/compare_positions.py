"""Compare where the projector goes on with what the log has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from service_kit.kafka.records import TopicPartition


class Bounds(NamedTuple):
    """The offsets that a partition has: from `first` to before `end`."""

    first: int
    end: int


class State(StrEnum):
    """How a position and the log go together; all but `FITS` end the projector."""

    FITS = "fits"
    EXPIRED = "expired"
    CUT_OFF = "cut off"
    MADE_AGAIN = "made again"
    GONE = "no topic"


@dataclass(frozen=True, slots=True)
class ComparedPosition:
    """A position, and the bounds of its partition; None when the topic is not the one that was consumed."""

    partition: TopicPartition
    next_offset: int
    state: State
    bounds: Bounds | None = None

    @property
    def name(self) -> str:
        """Return topic and partition for people."""
        return f"{self.partition.topic}[{self.partition.partition}]"

    @property
    def goes_on_at(self) -> int | None:
        """Return the offset to go on at once a loss is accepted; None: at whatever the log begins with.

        Of a log that was cut off and written again nobody knows which records are new. All are read again:
        facts have ids, so those that count already change nothing.
        """
        if self.bounds is not None and self.state is State.EXPIRED:
            return self.bounds.first
        return self.next_offset if self.state is State.FITS else None

    @property
    def meaning(self) -> str:
        """Say it to people."""
        if self.bounds is None:
            if self.state is State.GONE:
                return "there is no such topic now"
            return "made again under this name; begins anew when the loss is accepted"
        first, end = self.bounds
        match self.state:
            case State.EXPIRED:
                return f"{first - self.next_offset} records were deleted before they were consumed"
            case State.CUT_OFF:
                return f"the last {self.next_offset - end} records that were consumed are lost"
            case _:
                return f"{end - self.next_offset} records to go"

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "topic": self.partition.topic,
            "partition": self.partition.partition,
            "next_offset": self.next_offset,
            "first_offset": self.bounds and self.bounds.first,
            "end_offset": self.bounds and self.bounds.end,
            "state": str(self.state),
        }


def compare_position(partition: TopicPartition, next_offset: int, bounds: Bounds) -> ComparedPosition:
    """Compare a position with the bounds of the partition that it was consumed from."""
    state = State.FITS
    if next_offset > bounds.end:
        state = State.CUT_OFF
    elif next_offset < bounds.first:
        state = State.EXPIRED
    return ComparedPosition(partition, next_offset, state, bounds)
