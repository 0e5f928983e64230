"""Where a partition is read from when it was just assigned. Pure."""

from dataclasses import dataclass


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
