"""Read the attendance of one person, each day with the rules that made it so."""

from dataclasses import dataclass
from datetime import date

from query_api.domain.rows import ExplainedDay, Person, UnscheduledPunch
from query_api.domain.scope import Scope
from query_api.domain.time_range import date_range
from query_api.errors import UnknownPerson
from query_api.ports import DatesFilter, ReadModel
from query_api.recorded_organisation import explain_nothing

# Of a year; who has more reads the list.
MOST_UNSCHEDULED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAttendance:
    """A person, their days in order, and the first 1,000 punches that belong to no day."""

    person: Person
    days: list[ExplainedDay]
    unscheduled: list[UnscheduledPunch]


async def read_person_attendance(
    person_id: str, *, first_on: date, last_on: date, scope: Scope, read_model: ReadModel
) -> PersonAttendance:
    """Return a person's days between two local dates, inclusive.

    Raises InvalidRange, UnknownPerson or UnknownOrganisation.
    """
    dates = date_range(first_on, last_on)
    person = await read_model.person(scope, person_id)
    if person is None:
        await explain_nothing(None, scope, read_model)
        raise UnknownPerson(
            f"no person {person_id} in your organisation and sites; GET /v1/people lists them"
        )
    which = DatesFilter(dates=dates, sites=scope.sites_for(None), person_id=person_id)
    return PersonAttendance(
        person=person,
        days=await read_model.explained_days(scope, person_id, dates),
        unscheduled=await read_model.unscheduled(scope, which, after=None, limit=MOST_UNSCHEDULED),
    )
