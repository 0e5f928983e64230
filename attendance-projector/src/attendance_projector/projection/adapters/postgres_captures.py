"""Captures, their punches and enrolments in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from attendance_projector.projection.adapters.columns import side_by_side
from attendance_projector.projection.stored import (
    AcceptedPunch,
    FactKey,
    KnownCapture,
    PersonDates,
    PersonKey,
    Place,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.insert_rows import insert_rows
from attendance_projector.store.sql import statements
from attendance_schemas.events import EnrolmentDecided, MatchDecided

SQL = statements("captures")
CAPTURE_COLUMNS = (
    "org_id",
    "capture_id",
    "occurred_at",
    "device_id",
    "site_id",
    "device_sequence",
    "direction",
    "time_trust",
    "outcome",
    "person_id",
    "person_home_site_id",
    "score",
    "runner_up_person_id",
    "runner_up_score",
    "threshold",
    "margin",
    "model_name",
    "model_version",
    "decision_round",
    "reason",
    "image_bucket",
    "image_key",
    "image_sha256",
    "received_at",
    "decided_at",
)
PUNCH_COLUMNS = (
    "org_id",
    "punch_id",
    "occurred_at",
    "person_id",
    "site_id",
    "device_id",
    "direction",
    "method",
    "capture_id",
    "placement",
    "placed_on",
    "placed_shift_id",
)


class PostgresCaptures:
    """`Captures` within one transaction."""

    _add = staticmethod(insert_rows)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._unknown: set[FactKey] = set()

    async def known(self, captures: Iterable[FactKey]) -> Mapping[FactKey, KnownCapture]:
        """Return those of the captures that are stored."""
        asked = list(captures)
        rows = await self._connection.fetch(SQL["known_captures"], *side_by_side(asked)) if asked else []
        found = {each.key: each for each in (KnownCapture(*row) for row in rows)}
        self._unknown.update(each for each in asked if each not in found)
        return found

    async def store(self, decisions: Sequence[MatchDecided]) -> None:
        """Store one decision for each capture, in place of an earlier round."""
        # Decisions on one capture share a partition, whose position is locked: what was not known cannot
        # appear meanwhile, and goes straight to its place.
        new: list[tuple[object, ...]] = []
        later: list[tuple[object, ...]] = []
        for event in decisions:
            is_new = FactKey(event.org_id, event.capture_id) in self._unknown
            (new if is_new else later).append(capture_row(event))
        if new:
            await self._add(self._connection, "capture", new, CAPTURE_COLUMNS)
            self._unknown.clear()
        if later:
            await self._connection.copy_records_to_table(
                "staged_capture", records=later, columns=CAPTURE_COLUMNS
            )
            await self._connection.execute(SQL["merge_captures"])

    async def remove_punches(self, punches: Sequence[AcceptedPunch]) -> Sequence[PersonDates]:
        """Remove punches that a later decision took back; return the days that they were on."""
        if not punches:
            return []
        instants = [punch.occurred_at for punch in punches]
        rows = await self._connection.fetch(
            SQL["remove_punches"],
            *side_by_side(punch.key for punch in punches),
            instants,
            min(instants),
            max(instants),
        )
        return [
            PersonDates(PersonKey(row["org_id"], row["person_id"]), row["placed_on"], row["placed_on"])
            for row in rows
            if row["placed_on"]
        ]

    async def store_punches(self, punches: Sequence[tuple[AcceptedPunch, Place]]) -> None:
        """Store new punches in their places."""
        if punches:
            rows = [punch_row(*each) for each in punches]
            await self._add(self._connection, "punch", rows, PUNCH_COLUMNS)

    async def store_enrolments(self, enrolments: Sequence[EnrolmentDecided]) -> None:
        """Store the verdict on each enrolment that stands, given all of them in the order of the log."""
        if enrolments:
            await self._connection.executemany(SQL["record_enrolment"], map(_enrolment_row, enrolments))


def capture_row(event: MatchDecided) -> tuple[object, ...]:
    """Return a decision as CAPTURE_COLUMNS."""
    return (
        event.org_id,
        event.capture_id,
        event.occurred_at,
        event.device_id,
        event.site_id,
        event.device_sequence,
        event.direction,
        event.time_trust,
        event.outcome,
        event.person_id,
        event.person_home_site_id,
        event.score,
        event.runner_up_person_id,
        event.runner_up_score,
        event.threshold,
        event.margin,
        event.model_name,
        event.model_version,
        event.decision_round,
        "; ".join(event.reasons) or None,
        event.image.bucket,
        event.image.key,
        event.image.sha256,
        event.received_at,
        event.recorded_at,
    )


def punch_row(punch: AcceptedPunch, place: Place) -> tuple[object, ...]:
    """Return a punch in its place as PUNCH_COLUMNS."""
    return (
        punch.org_id,
        punch.punch_id,
        punch.occurred_at,
        punch.person_id,
        punch.site_id,
        punch.device_id,
        punch.direction,
        punch.method,
        punch.capture_id,
        place.placement,
        place.placed_on,
        place.placed_shift_id,
    )


def _enrolment_row(event: EnrolmentDecided) -> tuple[object, ...]:
    return (
        event.org_id,
        event.enrolment_id,
        event.person_id,
        event.outcome,
        event.template_count,
        msgspec.json.encode(event.photos).decode(),
        event.occurred_at,
        event.recorded_at,
        event.model_name,
        event.model_version,
        event.decision_round,
        event.erased,
    )
