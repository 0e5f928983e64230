"""What Kafka keeps, by the topic files: partitions, retentions, and the sizes of the golden examples."""

from functools import cache
from math import ceil

from attendance_deploy.sizing.measured import (
    DAYS_A_YEAR,
    DIRECTORY_RECORDS_PER_PERSON,
    PARTITIONS,
    PARTITIONS_OF_A_MILLION,
    WORKERS_OF_THE_PARTITIONS,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import MILLISECONDS, TOPICS

# Headers (trace, correlation, producer and version), key, framing, and a batch of its own.
RECORD_OVERHEAD_BYTES = 300
# Of a capture: what becomes of it, one record each.
EVENT_OF_A_CAPTURE = {
    "attendance.captures": "CaptureReceived",
    "attendance.matches": "MatchDecided",
    "attendance.changes": "AttendanceDayChanged",
}
# Of a person, in compacted topics: so many records stay.
EVENT_OF_A_PERSON = {
    "attendance.gallery": ("TemplateEnrolled", 1.0),
    "attendance.person-keys": ("PersonKeyIssued", 1.0),
    "attendance.directory": ("PersonRecorded", DIRECTORY_RECORDS_PER_PERSON.value),
}
A_MILLION = 1_000_000


def partitions_for(workers: int, people: int) -> int:
    """Return the partitions of captures, matches and punches: two for each worker, in steps of 48."""
    per_worker = PARTITIONS.value / WORKERS_OF_THE_PARTITIONS.value
    steps = max(1, ceil(workers * per_worker / PARTITIONS.value))
    if people >= A_MILLION:
        steps = max(steps, ceil(PARTITIONS_OF_A_MILLION.value / PARTITIONS.value))
    return steps * int(PARTITIONS.value)


def log_gb(people: int, captures_a_day: float) -> float:
    """Return the GB of one copy of all topics that grow with people."""
    captures_per_day = people * captures_a_day * DAYS_A_YEAR.value / 365
    of_captures = sum(
        captures_per_day * _days_kept(topic) * record_bytes(event)
        for topic, event in EVENT_OF_A_CAPTURE.items()
    )
    of_people = sum(people * count * record_bytes(event) for event, count in EVENT_OF_A_PERSON.values())
    return (of_captures + of_people) / 1e9


def _days_kept(topic: str) -> float:
    return int(TOPICS[topic].settings["retention.ms"]) / MILLISECONDS["day"]


@cache
def record_bytes(event: str) -> int:
    """Return the bytes of a record on disk: the largest example of the event, and what is around it."""
    sizes = [len(body) for name, _, body in golden_examples() if name.startswith(f"{event}/")]
    return max(sizes) + RECORD_OVERHEAD_BYTES
