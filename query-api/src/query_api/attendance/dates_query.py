"""What lists of people between two local dates have in common: what is asked for, and what cursors carry."""

from dataclasses import dataclass
from datetime import date

from query_api.domain.scope import Scope
from query_api.domain.time_range import date_range
from query_api.ports import DatesFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class DatesQuery:
    """What was asked for; dates are local to the home site and inclusive."""

    first_on: date
    last_on: date
    site_id: str | None = None
    person_id: str | None = None

    def filters(self, of: str) -> dict[str, object]:
        """Return what a cursor of a list is bound to; `of`: the list's name."""
        return {
            "list": of,
            "from": self.first_on,
            "to": self.last_on,
            "site": self.site_id,
            "person": self.person_id,
        }

    def which(self, scope: Scope) -> DatesFilter:
        """Return what of it is in a scope. Raises InvalidRange or SiteNotAllowed."""
        return DatesFilter(
            dates=date_range(self.first_on, self.last_on),
            sites=scope.sites_for(self.site_id),
            person_id=self.person_id,
        )
