"""Counts what became of the captures, from the services' own stores: Kafka, PostgreSQL and ingest's metrics.

Nothing is taken from what the demo believes it sent, but for the comparison at the end.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import httpx

from attendance_demo.errors import VerificationFailed
from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import CaptureReceived
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG
from service_kit.errors import TransientFailure
from service_kit.kafka.bounded_reading import records_of
from service_kit.settings import KafkaSettings

REFUSED_OUTCOMES = ("NO_FACE", "POOR_QUALITY", "SUSPECTED_SPOOF")

COUNTS = """
SELECT
    (SELECT count(*) FROM attendance.enrolment WHERE org_id = $1 AND outcome = 'ENROLLED') AS enrolled,
    (SELECT count(*) FROM attendance.attendance_day
      WHERE org_id = $1 AND attendance_on BETWEEN $3 AND $4) AS days,
    (SELECT count(*) - count(DISTINCT capture_id) FROM attendance.capture
      WHERE org_id = $1 AND occurred_at >= $2) AS captures_twice,
    (SELECT count(*) - count(DISTINCT capture_id) FROM attendance.punch
      WHERE org_id = $1 AND occurred_at >= $2) AS punches_twice
"""
CAPTURES_OF_ORG = """
SELECT capture_id, outcome, person_id, reason, received_at,
       extract(epoch FROM projected_at - received_at) * 1000 AS latency_ms
FROM attendance.capture WHERE org_id = $1 AND occurred_at >= $2
"""


@dataclass(frozen=True, slots=True)
class CaptureRow:
    """A row of `attendance.capture`; `latency_ms` from the first acceptance to the row."""

    capture_id: UUID
    outcome: str
    person_id: str | None
    reason: str | None
    latency_ms: float


@dataclass(slots=True)
class Log:
    """What the capture topics hold of one organisation."""

    records: int = 0
    live: set[UUID] = field(default_factory=set)
    backlog: set[UUID] = field(default_factory=set)
    dead: dict[UUID, str] = field(default_factory=dict)

    @property
    def captures(self) -> set[UUID]:
        """Return the distinct captures."""
        return self.live | self.backlog

    @property
    def resent(self) -> int:
        """Return how many records repeat a capture."""
        return self.records - len(self.captures)


async def read_log(environ: Mapping[str, str], org_id: str) -> Log:
    """Read the capture topics and their dead letters from the beginning to their ends."""
    log = Log()
    prefix = environ["KAFKA_TOPIC_PREFIX"]
    async with SchemaRegistry(environ["SCHEMA_REGISTRY_URL"]) as registry:
        codec = Codec(registry, prefix=prefix)
        for topic, seen in ((CAPTURES, log.live), (CAPTURES_BACKLOG, log.backlog)):
            for value, _ in await read_all(environ, prefix + topic.name):
                if capture := await _capture(codec, value, org_id):
                    log.records += 1
                    seen.add(capture.capture_id)
            for value, headers in await read_all(environ, f"{prefix}{topic.name}.dlq"):
                if capture := await _capture(codec, value, org_id):
                    log.dead[capture.capture_id] = _reason(headers)
    return log


async def _capture(codec: Codec, value: bytes | None, org_id: str) -> CaptureReceived | None:
    """Return the capture of this organisation; None for another's, and for what no kiosk can have sent."""
    try:
        event = await codec.decode(value)
    except UndecodableRecord:
        return None
    return event if isinstance(event, CaptureReceived) and event.org_id == org_id else None


def _reason(headers: Mapping[str, bytes]) -> str:
    return headers["dlq-error"].decode()


async def read_all(environ: Mapping[str, str], topic: str) -> list[tuple[bytes | None, dict[str, bytes]]]:
    """Read a topic from its beginning to the end it has now: values with their headers."""
    kafka = KafkaSettings(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        return [(record.value, dict(record.headers)) async for record in records_of(kafka, topic)]
    except TransientFailure as error:
        raise VerificationFailed(f"{error}; has `attendance-schemas apply` been run?") from error


@dataclass(frozen=True, slots=True)
class Stores:
    """What PostgreSQL holds of one organisation."""

    enrolled: int
    days: int
    twice: int
    captures: Sequence[CaptureRow]

    def by_outcome(self) -> Counter[str]:
        """Count the captures by outcome."""
        return Counter(row.outcome for row in self.captures)

    def latency_ms(self, share: float, among: Collection[UUID]) -> float:
        """Return the latency that `share` of these captures stayed below, milliseconds (nearest rank)."""
        ordered = sorted(row.latency_ms for row in self.captures if row.capture_id in among)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def read_stores(environ: Mapping[str, str], org_id: str, *when: object) -> Stores:
    """Read the tables as the query API's login. when: first instant, first and last local date."""
    connection = await asyncpg.connect(
        environ["QUERY_DATABASE_URL"], server_settings={"attendance.org_id": org_id}
    )
    try:
        counts = await connection.fetchrow(COUNTS, org_id, *when)
        rows = await connection.fetch(CAPTURES_OF_ORG, org_id, when[0])
    finally:
        await connection.close()
    if counts is None:
        raise VerificationFailed("PostgreSQL answered no counts")
    return Stores(
        enrolled=counts["enrolled"],
        days=counts["days"],
        twice=counts["captures_twice"] + counts["punches_twice"],
        captures=[
            CaptureRow(
                row["capture_id"], row["outcome"], row["person_id"], row["reason"], float(row["latency_ms"])
            )
            for row in rows
        ],
    )


async def metric(client: httpx.AsyncClient, url: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    response = await client.get(f"{url}/metrics")
    response.raise_for_status()
    total = 0.0
    for line in response.text.splitlines():
        if line.split("{")[0].split(" ")[0] == name and all(
            f'{key}="{value}"' in line for key, value in labels.items()
        ):
            total += float(line.rsplit(" ", 1)[1])
    return total
