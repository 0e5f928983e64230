"""A person who writes, by an OIDC token: which roles they have, in which organisation, and at which sites."""

from dataclasses import dataclass

from attendance_schemas.events import Authority
from ingest.errors import Forbidden

HR, OPS, SUPERVISOR = "hr", "ops", "supervisor"
SUPERVISORS = frozenset((SUPERVISOR, HR))
"""Who may act for a person, or correct what is recorded of one."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `sites` is None for the whole organisation."""

    subject: str
    org_id: str
    roles: frozenset[str]
    sites: frozenset[str] | None = None

    def require_role(self, allowed: frozenset[str], what: str) -> Authority:
        """Return by which authority it is done; of several roles that allow it, the first by name.

        Raises Forbidden unless one of the allowed roles is held.
        """
        if not self.roles & allowed:
            needed = " or ".join(sorted(allowed))
            raise Forbidden(f"{self.subject} may not {what}; ask somebody with the role {needed}")
        sites = None if self.sites is None else tuple(sorted(self.sites))
        return Authority(subject=self.subject, role=min(self.roles & allowed), sites=sites)

    def require_site(self, site_id: str | None, what: str) -> None:
        """Raise Forbidden when the token is for some sites and this is none of them; None: all sites."""
        if self.sites is not None and site_id not in self.sites:
            where = "for the whole organisation" if site_id is None else f"at site {site_id}"
            raise Forbidden(f"{self.subject} may not {what} {where}; the token is for {sorted(self.sites)}")
