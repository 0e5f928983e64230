"""The type of an organisation: its policy goes with the event, so that readers need no type file.

What a type says is decided when the organisation is recorded, as everything else about it: a rebuild gives
the same days, also when the file has changed or is gone. A changed file counts once the organisation is
recorded again.
"""

from collections.abc import Mapping

import msgspec

from attendance_schemas.events import DefaultPolicy, Event, OrganisationRecorded
from attendance_schemas.org_types import OrgType, UnknownOrgType, org_type
from ingest.errors import FieldError


def with_type(event: Event, types: Mapping[str, OrgType]) -> Event:
    """Return an organisation with the policy of its type; other events as they are. Raises FieldError."""
    if not isinstance(event, OrganisationRecorded):
        return event
    try:
        policy = org_type(types, event.org_type).policy
    except UnknownOrgType as error:
        raise FieldError("org_type", str(error)) from error
    if policy is None:
        return event
    if policy.expects_attendance and event.default_policy_on is None:
        problem = f"the type {event.org_type} waits for everybody; say from which date on its policy holds"
        raise FieldError("default_policy_on", problem)
    return msgspec.structs.replace(
        event,
        default_policy=DefaultPolicy(
            weekly_offs=policy.weekly_offs,
            flexible_day_start=policy.flexible_day_start,
            expects_attendance=policy.expects_attendance,
        ),
    )
