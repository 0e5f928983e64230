"""Where partitions are read from when they were just assigned, and what their logs have lost."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import ensure_aiokafka_TP
from faust.types import TP

from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

AskGroup = Callable[[], Awaitable[Mapping[TopicPartition, int]]]
"""Asks for all positions of the group. Raises TransientFailure when Kafka does not tell them."""
_LOOKS_AT_A_SHORT_LOG, _BETWEEN_LOOKS = 4, 1.0


class Logs(Protocol):
    """Tells where the logs of partitions begin and end; a Faust consumer."""

    async def earliest_offsets(self, *partitions: Any) -> Mapping[Any, int]:
        """Return the first offset that is left."""

    async def highwaters(self, *partitions: Any) -> Mapping[Any, int]:
        """Return the offset after the last record."""

    async def sleep(self, n: float) -> None:
        """Wait, unless the consumer stops."""


@dataclass(frozen=True, slots=True)
class FirstPosition:
    """offset: to read first. lost_count: records that expired before they were done.

    again: the log was cut, or the topic made anew, and is read from its beginning.
    """

    offset: int
    lost_count: int = 0
    again: bool = False


def first_position(committed: int | None, beginning: int, end: int) -> FirstPosition:
    """Decide by what the group committed, and by where the log begins and ends now.

    Nothing committed: nobody has read this partition yet; when the positions of a whole group are gone, a
    worker does not start (`KafkaPositions`). A position beyond the end is of a log that is gone: all that
    there is counts as new, for a repetition does no harm and a gap does.
    """
    if committed is None or committed < 0:
        return FirstPosition(beginning)
    if committed > end:
        return FirstPosition(beginning, again=True)
    if committed < beginning:
        return FirstPosition(beginning, lost_count=beginning - committed)
    return FirstPosition(committed)


async def confirmed(
    committed: Mapping[TP, int | None], ask_group: AskGroup, logs: Logs
) -> Mapping[TP, int | None]:
    """Return what the group committed; asks once more, until it is told, where a partition has no position.

    Defect of aiokafka: a coordinator that is loading the group, or has handed it on, looks like a group
    without positions. All would be read, and committed, from the beginning.
    """
    while any(offset is None or offset < 0 for offset in committed.values()):
        try:
            told = await ask_group()
        except TransientFailure as failure:
            log.warning("Kafka does not tell the positions of the group yet", detail=str(failure))
            await logs.sleep(_BETWEEN_LOOKS)
        else:
            return {tp: told.get(TopicPartition(*tp), committed[tp]) for tp in committed}
    return committed


async def find_first_positions(
    sought: Mapping[TP, int | None], ask_group: AskGroup, logs: Logs
) -> tuple[Mapping[TP, int | None], dict[TP, int]]:
    """Return what the group committed and where to begin, by partition, and tell what was lost.

    sought: what the client says that the group committed.
    """
    committed = await confirmed(sought, ask_group, logs)
    beginnings = await logs.earliest_offsets(*map(ensure_aiokafka_TP, committed))
    ends = await _ends(committed, logs)
    starts = {}
    for tp in map(ensure_aiokafka_TP, committed):
        first = first_position(committed[ensure_TP(tp)], beginnings[tp], ends[tp])
        _tell_what_is_lost(f"{tp.topic}[{tp.partition}]", first)
        starts[ensure_TP(tp)] = first.offset
    return committed, starts


async def _ends(committed: Mapping[TP, int | None], logs: Logs) -> Mapping[Any, int]:
    """Return where the logs end; asked again while one ends before what was committed.

    A leader that was just elected may not know its end yet.
    """
    for look in range(_LOOKS_AT_A_SHORT_LOG):
        if look:
            await logs.sleep(_BETWEEN_LOOKS)
        ends = await logs.highwaters(*map(ensure_aiokafka_TP, committed))
        if all((committed[ensure_TP(tp)] or 0) <= end for tp, end in ends.items()):
            break
    return ends


def _tell_what_is_lost(partition: str, first: FirstPosition) -> None:
    if first.lost_count:
        log.error("records expired before they were done", partition=partition, count=first.lost_count)
    if first.again:
        log.error(
            "the log ends before what was committed, so all that it holds is read: it lost records, or the "
            "topic was made again",
            partition=partition,
        )
