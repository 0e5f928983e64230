"""Where records of a topic may be published again.

Where the last record of a key counts (directory, gallery, keys, rollouts, the clock) nothing is sent again:
that would bring back what was replaced or taken away. Captures go behind live ones.
"""

from __future__ import annotations

from attendance_ops.errors import NotAllowed
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CORRECTIONS,
    DEAD_LETTER_SUFFIX,
    ENROLMENT_RESULTS,
    ENROLMENTS,
    LOCKED_DAYS,
    MATCHES,
    PUNCHES,
    Topic,
)

_AS_THEY_WERE = (
    CAPTURES_BACKLOG,
    MATCHES,
    PUNCHES,
    CORRECTIONS,
    ENROLMENTS,
    ENROLMENT_RESULTS,
    LOCKED_DAYS,
)
_TARGETS = {
    CAPTURES.name: CAPTURES_BACKLOG,
    **{topic.name: topic for topic in _AS_THEY_WERE},
}


def target_of(topic: str) -> Topic:
    """Return the topic to which records of a topic, or of its dead letters, are published again.

    Raises:
        NotAllowed: nothing of it is.
    """
    name = topic.removesuffix(DEAD_LETTER_SUFFIX)
    if not goes_again(name):
        raise NotAllowed(
            f"nothing of {name} is published again: its last record counts, and an earlier one would bring "
            "back what was replaced. To apply it again, rebuild: attendance-projector rebuild"
        )
    return _TARGETS[name]


def goes_again(topic: str) -> bool:
    """Tell whether records of a topic, or of its dead letters, are published again."""
    return topic.removesuffix(DEAD_LETTER_SUFFIX) in _TARGETS
