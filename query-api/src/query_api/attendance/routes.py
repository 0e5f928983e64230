"""Routes of attendance days and presence."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from attendance_schemas.events import AttendanceStatus
from query_api.attendance.dates_query import DatesQuery
from query_api.attendance.list_adjustments import list_adjustments
from query_api.attendance.list_attendance import AttendanceQuery, list_attendance
from query_api.attendance.list_period_locks import PeriodLockQuery, list_period_locks
from query_api.attendance.list_unscheduled import list_unscheduled
from query_api.attendance.read_person_attendance import PersonAttendance, read_person_attendance
from query_api.attendance.read_presence import read_presence
from query_api.domain.rows import (
    Adjustment,
    AttendanceDay,
    PeriodLock,
    PresentPerson,
    SitePresence,
    UnscheduledPunch,
)
from query_api.http.access import ReaderScope
from query_api.http.examples import (
    ADJUSTMENT_PAGE,
    ATTENDANCE_PAGE,
    PERIOD_LOCK_PAGE,
    PERSON_ATTENDANCE,
    PRESENCE,
    UNSCHEDULED_PAGE,
)
from query_api.http.pages import (
    PageAnswer,
    PageParameters,
    Parameters,
    Text,
    TextInPath,
    next_link,
    page_answer,
)
from query_api.http.problems import PROBLEMS, UNRECORDED, example
from query_api.http.services import ServicesOf
from service_kit.fields import NearDate
from service_kit.http.problems import described

router = APIRouter(prefix="/v1", tags=["attendance"], responses=PROBLEMS)


class DateParameters(Parameters):
    """Local dates of the sites, both inclusive, at most 366 days."""

    first_on: NearDate = Field(alias="from", description="First local date.", examples=["2026-03-01"])
    last_on: NearDate = Field(alias="to", description="Last local date, inclusive.", examples=["2026-03-31"])


class AttendanceParameters(DateParameters, PageParameters):
    """Which attendance days."""

    site: Text | None = Field(default=None, description="Only this site of the day.")
    person: Text | None = Field(default=None, description="Only this person_id.")
    status: AttendanceStatus | None = Field(
        default=None, description="Only this status.", examples=["PRESENT"]
    )


class PeopleParameters(DateParameters, PageParameters):
    """Whose rows, and between which dates."""

    site: Text | None = Field(default=None, description="Only people with this home site.")
    person: Text | None = Field(default=None, description="Only this person_id.")

    def query(self) -> DatesQuery:
        """Return it in the words of the lists."""
        return DatesQuery(
            first_on=self.first_on, last_on=self.last_on, site_id=self.site, person_id=self.person
        )


class PeriodLockParameters(DateParameters, PageParameters):
    """Which locks, by the dates that they cover."""

    site: Text | None = Field(default=None, description="Only locks of this site, and of all sites.")


class PresenceParameters(PageParameters):
    """Where to count."""

    site: Text | None = Field(default=None, description="Only this site.")


class PresenceAnswer(BaseModel):
    """Who is in: counts over every site asked for, and one page of the people behind them."""

    at: datetime
    present_count: int
    sites: list[SitePresence]
    people: list[PresentPerson]
    next: str | None = Field(description="Path and query of the next page of people.")


@router.get("/attendance", summary="Attendance days", responses=example(ATTENDANCE_PAGE) | UNRECORDED)
async def get_attendance(
    request: Request,
    response: Response,
    parameters: Annotated[AttendanceParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[AttendanceDay]:
    """List attendance days between two local dates, in the order attendance_on, person_id, shift_id."""
    query = AttendanceQuery(
        first_on=parameters.first_on,
        last_on=parameters.last_on,
        site_id=parameters.site,
        person_id=parameters.person,
        status=parameters.status,
    )
    page = await list_attendance(query, parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)


@router.get(
    "/adjustments", summary="Adjustments of locked periods", responses=example(ADJUSTMENT_PAGE) | UNRECORDED
)
async def get_adjustments(
    request: Request,
    response: Response,
    parameters: Annotated[PeopleParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[Adjustment]:
    """List what payroll has to add in the periods of these dates for days of periods that were closed.

    By the date on which each is booked, the first open one, then person_id, attendance_on, shift_id. An
    adjustment that was paid with its period is settled and stays.
    """
    page = await list_adjustments(parameters.query(), parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)


@router.get("/unscheduled", summary="Punches of no shift", responses=example(UNSCHEDULED_PAGE) | UNRECORDED)
async def get_unscheduled(
    request: Request,
    response: Response,
    parameters: Annotated[PeopleParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[UnscheduledPunch]:
    """List punches in the window of no shift between two local dates, in the order occurred_at, punch_id.

    They count nothing. Somebody decides: a roster entry or a shift whose window has them, an override of the
    day, or a void.
    """
    page = await list_unscheduled(parameters.query(), parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)


@router.get("/period-locks", summary="Locks of periods", responses=example(PERIOD_LOCK_PAGE) | UNRECORDED)
async def get_period_locks(
    request: Request,
    response: Response,
    parameters: Annotated[PeriodLockParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PageAnswer[PeriodLock]:
    """List the locks that cover any of these dates, also reopened ones, by starts_on, lock_id.

    The days of a period stay as they are while a lock is IN_FORCE; until then, and once it is REOPENED, they
    are what the rules say.
    """
    query = PeriodLockQuery(first_on=parameters.first_on, last_on=parameters.last_on, site_id=parameters.site)
    page = await list_period_locks(query, parameters.page_request(), scope, services.read_model)
    return page_answer(request, response, page)


@router.get(
    "/people/{person_id}/attendance",
    summary="One person's attendance, explained",
    responses=example(PERSON_ATTENDANCE)
    | described(404, "`unknown-person` in the caller's scope; `unknown-organisation`."),
)
async def get_person_attendance(
    person_id: TextInPath,
    parameters: Annotated[DateParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PersonAttendance:
    """Read the days of one person, each with the punches used and not used and the rules that decided.

    `unscheduled` are the first 1,000 punches in the window of no shift; `GET /v1/unscheduled` has all.
    """
    return await read_person_attendance(
        person_id,
        first_on=parameters.first_on,
        last_on=parameters.last_on,
        scope=scope,
        read_model=services.read_model,
    )


@router.get("/presence", summary="Who is in now", responses=example(PRESENCE) | UNRECORDED)
async def get_presence(
    request: Request,
    response: Response,
    parameters: Annotated[PresenceParameters, Query()],
    scope: ReaderScope,
    services: ServicesOf,
) -> PresenceAnswer:
    """Tell who came in within the last 16 hours and has not left, and how many per site."""
    presence = await read_presence(
        site_id=parameters.site,
        request=parameters.page_request(),
        scope=scope,
        read_model=services.read_model,
        cache=services.presence,
        now=services.now(),
    )
    return PresenceAnswer(
        at=presence.at,
        present_count=sum(site.present_count for site in presence.sites),
        sites=presence.sites,
        people=list(presence.people.items),
        next=next_link(request, response, presence.people),
    )
