"""Headers of a record that was published again: by which job, from where, and how often before.

The payload and all other headers stay byte for byte as they were.
"""

from __future__ import annotations

from uuid import UUID

from service_kit.dead_letters.letters import original_headers
from service_kit.kafka.records import Headers, Record

JOB, ORIGIN, ATTEMPT = "replay-job", "replay-origin", "replay-attempt"
_DIGITS = 9
_OURS = (JOB, ORIGIN, ATTEMPT)
MOST_ATTEMPTS = 3
"""A record that was published again so often goes round in a loop: it is left where it lies."""


def attempts_of(headers: Headers) -> int:
    """Return how often a record was published again."""
    text = dict(headers).get(ATTEMPT, b"0")
    return int(text[:_DIGITS]) if text.isdigit() else 0


def job_of(headers: Headers) -> str | None:
    """Return the job that published a record again."""
    job = dict(headers).get(JOB)
    return None if job is None else job.decode("utf-8", "replace")


def origin_of(headers: Headers) -> str | None:
    """Return the place, `topic:partition:offset` without prefix, that a record was read from."""
    origin = dict(headers).get(ORIGIN)
    return None if origin is None else origin.decode("utf-8", "replace")


def headers_of_repair(job_id: UUID, origin: str, attempts: int) -> Headers:
    """Return the headers of an event that is published from what was stored of it, not from a record.

    origin: where it was stored. attempts: how often it was published again before.
    """
    return ((JOB, str(job_id).encode()), (ORIGIN, origin.encode()), (ATTEMPT, str(attempts + 1).encode()))


def headers_of_again(record: Record, job_id: UUID, place: str) -> Headers:
    """Return the headers with which a record is published again; those of dead letters go."""
    kept = tuple((name, value) for name, value in original_headers(record.headers) if name not in _OURS)
    return (
        *kept,
        (JOB, str(job_id).encode()),
        (ORIGIN, place.encode()),
        (ATTEMPT, str(attempts_of(record.headers) + 1).encode()),
    )
