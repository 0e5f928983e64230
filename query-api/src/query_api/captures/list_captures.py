"""List decided captures between two instants, page by page, newest first."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from query_api.domain.cursor import near_moment
from query_api.domain.pages import Page, PageRequest, page_of
from query_api.domain.rows import Capture
from query_api.domain.scope import Scope
from query_api.domain.time_range import instant_range
from query_api.ports import CaptureFilter, ReadModel
from query_api.recorded_organisation import explain_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureQuery:
    """What was asked for; `starts_at` inclusive, `ends_at` exclusive."""

    starts_at: datetime
    ends_at: datetime
    outcome: str | None = None
    site_id: str | None = None
    device_id: str | None = None
    person_id: str | None = None
    reviewed: bool | None = None

    def filters(self) -> dict[str, object]:
        """Return what a cursor is bound to."""
        return {
            "list": "captures",
            "from": self.starts_at.timestamp(),
            "to": self.ends_at.timestamp(),
            "outcome": self.outcome,
            "site": self.site_id,
            "device": self.device_id,
            "person": self.person_id,
            "reviewed": self.reviewed,
        }


async def list_captures(
    query: CaptureQuery, request: PageRequest, scope: Scope, read_model: ReadModel
) -> Page[Capture]:
    """Return a page of captures.

    Raises InvalidRange, InvalidCursor, SiteNotAllowed or UnknownOrganisation.
    """
    which = CaptureFilter(
        instants=instant_range(query.starts_at, query.ends_at),
        sites=scope.sites_for(query.site_id),
        outcome=query.outcome,
        device_id=query.device_id,
        person_id=query.person_id,
        reviewed=query.reviewed,
    )
    after = request.after(query.filters(), _key)
    if after is not None:
        # Months after the cursor are not read again.
        which = replace(which, instants=which.instants.until(after[0]))
    rows = await read_model.captures(scope, which, after=after, limit=request.fetch_count)
    await explain_nothing(rows, scope, read_model)
    return page_of(
        rows, request, key=lambda capture: (capture.occurred_at, capture.capture_id), filters=query.filters()
    )


def _key(occurred_at: str, capture_id: str) -> tuple[datetime, UUID]:
    return near_moment(occurred_at), UUID(capture_id)
