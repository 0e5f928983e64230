"""What a rebuild needs of its surroundings, by role: tables, a switch, a comparison, a listener."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from attendance_projector.domain.retention import Retention
from attendance_projector.projection.ports import ReadModel
from attendance_projector.projection.stored import PersonKey
from attendance_projector.store.schema import SCHEMA
from service_kit.kafka.records import TopicPartition

# The tables that readers see, those that are built beside them, and those that a switch put aside.
LIVE, NEXT, PREVIOUS = SCHEMA, f"{SCHEMA}_next", f"{SCHEMA}_previous"
# Returns the first offset that is left of each partition. Raises TransientFailure.
Beginnings = Callable[[Collection[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]


@dataclass(frozen=True, slots=True)
class Loss:
    """Records of a partition that neither Kafka nor its archive has.

    count: of offsets. before: the first offset after all of them. begins_late: there is nothing before them.
    """

    count: int
    before: int
    begins_late: bool = True


# Returns what is gone of each partition before an end. Raises TransientFailure.
Losses = Callable[[Mapping[TopicPartition, int]], Awaitable[Mapping[TopicPartition, Loss]]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the read model, as a comparison and the switch see it."""

    name: str
    is_partitioned: bool
    partition_key: str | None
    columns: tuple[str, ...]
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A table and month: rows and checksum of both sides, and up to five rows that differ, in words."""

    table: str
    month: str
    live_rows: int
    rebuilt_rows: int
    is_equal: bool
    examples: tuple[str, ...] = ()


class Steps(Protocol):
    """Hears how it goes on."""

    def step(self, name: str, total: int) -> None:
        """A step begins; so many units are to do."""

    def advance(self, count: int) -> None:
        """So many units are done."""


class Progress(Steps, Protocol):
    """Hears how a rebuild goes on."""

    def note(self, text: str) -> None:
        """Say something that a person should know."""


class NextTables(ReadModel, Protocol):
    """The next tables, while records are applied to them."""

    async def positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where to go on; a partition that was never consumed is left out."""


class Schemas(Protocol):
    """The three sets of tables, and how far a rebuild has come; one rebuild at a time has them."""

    async def resume(self) -> bool:
        """Say whether a rebuild of this version was prepared and can go on."""

    async def create(self) -> None:
        """Make the next tables, empty and without the indexes that only readers need."""

    async def prepare(self, asked: date | None) -> None:
        """Take from the live tables what the log cannot give, and note in the same step that this is done.

        These are captures and punches before this UTC date, or of months that are final, with what is about
        them, and all enrolments; None: nothing before a date. What the log has of these, too, changes nothing
        any more.
        """

    async def retention(self, schema: str = LIVE) -> Retention:
        """Return which months the tables keep."""

    async def read(self, name: str) -> Any:
        """Return a value of the state, or None."""

    async def write(self, name: str, value: object) -> None:
        """Set a value of the state."""

    async def positions(self, schema: str) -> Mapping[TopicPartition, int]:
        """Return the next offsets of the tables."""

    async def backlog(self, schema: str = LIVE) -> int:
        """Count what waits to be done: spans to be computed, and locks to be told once they are.

        What was set aside, since it cannot be computed, waits for an operator, and so do the locks that it
        holds up: neither counts.
        """

    async def set_aside(self, schema: str) -> Mapping[str, int]:
        """Count the spans that were set aside, by organisation."""

    async def waiting_punches(self) -> int:
        """Index the punches that wait, by person, and count them."""

    def build_indexes(self) -> AsyncIterator[str]:
        """Build the indexes that were left out, one by one, and gather statistics; yield each name."""

    async def compared_tables(self) -> Sequence[Table]:
        """Return the tables whose rows facts alone decide."""

    def live_stopped(self) -> AbstractAsyncContextManager[None]:
        """Keep live projectors waiting inside the block, a transaction; readers go on."""


class Switch(Protocol):
    """Puts tables in the place of others, in one step that readers do not notice."""

    async def put_in_place(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Put the next tables in the place of the live ones, which stay as the previous ones.

        catch_up: brings the next tables to the positions of the live ones, while live projectors wait; what
        it raises ends the attempt, and nothing is switched.
        """

    async def roll_back(self, check: Callable[[], Awaitable[None]]) -> None:
        """Let the live and the previous tables change places. Raises RebuildRefused.

        check: refuses it, while live projectors wait.
        """


class Comparison(Protocol):
    """The live and the next tables at one instant."""

    async def take_snapshot(self) -> None:
        """Take the instant; what is written afterwards does not count."""

    async def compare(self, table: Table) -> Sequence[Compared]:
        """Compare a table, month by month."""


class DifferingDays(Protocol):
    """Days that are others in the live tables than in the previous ones, of people who are not told yet."""

    async def find(self) -> int:
        """Compare all days; return of how many people and months some differ. Raises RebuildRefused."""

    async def of_some_people(self, limit: int) -> Sequence[tuple[date, list[PersonKey]]]:
        """Return so many people at most, by month; nothing when all are told."""

    async def tell(self, month: date, people: list[PersonKey]) -> int:
        """Tell the days of these people in a month, once and for all; return how many."""

    async def waiting(self, limit: int) -> tuple[int, int | None]:
        """Return how many events wait to be published, counted to the limit, and which has waited longest."""
