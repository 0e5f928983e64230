"""Which topics are archived, and how."""

from __future__ import annotations

from attendance_schemas.apply import all_topics
from attendance_schemas.topics import PERSON_KEYS, Topic

# A copy of these would outlive an erasure: with the key-encryption key it opens what was erased.
# docs/recognition/templates-at-rest.md
LEFT_OUT = frozenset({PERSON_KEYS.name})


def archived_topics() -> list[Topic]:
    """Return the topics of the contract that are archived, dead letters too.

    Of those that are compacted there are snapshots, of all others every record.
    """
    return [topic for topic in all_topics() if topic.name not in LEFT_OUT]
