"""Events of the directory as rows: which statement records or forgets each, and with which values."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import msgspec

from attendance_projector.projection.directory.rule_inputs import rule_of
from attendance_projector.projection.stored import EventOrTombstone, Tombstone
from attendance_schemas.events import (
    DeviceRecorded,
    HolidayRecorded,
    LeaveRecorded,
    OrganisationRecorded,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)

Row = tuple[object, ...]


def statement_of(event: EventOrTombstone) -> tuple[str, Row]:
    """Return the name of the statement that stores what an event says, and its arguments."""
    if isinstance(event, Tombstone):
        arguments = [
            date.fromisoformat(value) if name.endswith("_on") else value
            for name, value in event.fields.items()
        ]
        return f"forget_{_name(event.event_name)}", tuple(arguments)
    event_name = type(event).__name__
    return f"record_{_name(event_name)}", _ROWS[event_name](event)


def _name(event_name: str) -> str:
    return event_name.removesuffix("Recorded").lower()


def _organisation(event: OrganisationRecorded) -> Row:
    policy = event.default_policy
    return (
        event.org_id,
        event.name,
        event.time_zone,
        event.org_type,
        None if policy is None else msgspec.json.encode(policy).decode(),
        event.default_policy_on,
    )


def _site(event: SiteRecorded) -> Row:
    return event.org_id, event.site_id, event.name, event.time_zone


def _device(event: DeviceRecorded) -> Row:
    return event.org_id, event.device_id, event.site_id, event.name, event.kind, event.revoked


def _person(event: PersonRecorded) -> Row:
    return (
        event.org_id,
        event.person_id,
        event.home_site_id,
        event.display_name,
        event.badge,
        event.joined_on,
        event.left_on,
        event.active,
        event.default_shift_id,
        event.recorded_at,
        msgspec.json.encode(event.earlier).decode(),
        msgspec.json.encode(event.former_badges).decode(),
    )


def _shift(event: ShiftRecorded) -> Row:
    return event.org_id, event.shift_id, event.effective_on, event.name, rule_of(event).decode()


def _roster(event: RosterRecorded) -> Row:
    return (
        event.org_id,
        event.roster_id,
        event.person_id,
        event.shift_id,
        event.starts_on,
        event.ends_on,
        [day.value for day in event.weekdays],
        event.rotation_length,
        list(event.rotation_days),
    )


def _holiday(event: HolidayRecorded) -> Row:
    return event.org_id, event.holiday_id, event.site_id, event.name, event.holiday_on


def _leave(event: LeaveRecorded) -> Row:
    return (
        event.org_id,
        event.leave_id,
        event.person_id,
        event.starts_on,
        event.ends_on,
        event.part,
        event.name,
    )


def _policy(event: PolicyRecorded) -> Row:
    return (
        event.org_id,
        event.policy_id,
        event.effective_on,
        event.site_id,
        event.name,
        [day.value for day in event.weekly_offs],
        event.flexible_day_start,
        event.expects_attendance,
    )


_ROWS: Mapping[str, Callable[[Any], Row]] = {
    "OrganisationRecorded": _organisation,
    "SiteRecorded": _site,
    "DeviceRecorded": _device,
    "PersonRecorded": _person,
    "ShiftRecorded": _shift,
    "RosterRecorded": _roster,
    "HolidayRecorded": _holiday,
    "LeaveRecorded": _leave,
    "PolicyRecorded": _policy,
}
