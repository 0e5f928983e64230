"""Whose rows a caller may see: one organisation, perhaps some sites of it, perhaps one device's captures.

Every query of this service takes a `Scope`, so that no row can be read without saying on whose behalf. What a
token must contain for that is decided here; whether the token is genuine is decided before.
"""

from dataclasses import dataclass, replace

from query_api.errors import NotAllowed, SiteNotAllowed

READER_ROLES = frozenset({"analyst", "supervisor", "hr", "ops", "auditor"})
DEVICE_ROLE = "device"
# Who is told of all refused facts of the organisation, and who of their own.
OVERSEER_ROLES = frozenset({"hr", "ops"})
WRITER_ROLES = OVERSEER_ROLES | {"supervisor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, as a genuine token says. `sites` None means that the token names none."""

    subject: str
    roles: frozenset[str]
    org_id: str | None
    sites: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a caller may see. `sites` None means every site of the organisation; empty means none.

    A device sees the captures that it made itself, and nothing else. `made_by`: of refused facts only those
    that this subject made; None: those of anybody. `subject`: who asks; they see what they made by its id.
    """

    org_id: str
    sites: frozenset[str] | None = None
    device_id: str | None = None
    made_by: str | None = None
    subject: str | None = None

    def sites_for(self, site_id: str | None) -> list[str] | None:
        """Return the sites to query, sorted, when `site_id` was asked for (None: any). None means no limit.

        Raises SiteNotAllowed when the caller may not see that site.
        """
        if site_id is None:
            return None if self.sites is None else sorted(self.sites)
        if not self.allows_site(site_id):
            raise SiteNotAllowed(
                f"the token does not cover site {site_id}; ask for one of its sites, or for none"
            )
        return [site_id]

    def allows_site(self, site_id: str) -> bool:
        """Tell whether rows of this site may be seen."""
        return self.sites is None or site_id in self.sites

    def allows_capture(self, *, org_id: str, site_id: str, device_id: str) -> bool:
        """Tell whether a capture may be seen."""
        return (
            org_id == self.org_id
            and self.allows_site(site_id)
            and (self.device_id is None or self.device_id == device_id)
        )


def reader_scope(caller: Caller) -> Scope:
    """Return the scope of a person who reads. Raises NotAllowed without a reading role or an organisation."""
    if not READER_ROLES.intersection(caller.roles):
        raise NotAllowed(f"reading attendance needs one of the roles {', '.join(sorted(READER_ROLES))}")
    return _scope(caller, device_id=None)


def capture_scope(caller: Caller) -> Scope:
    """Return the scope for reading one capture: a reader's, or that of the device that the token is for."""
    if DEVICE_ROLE in caller.roles and not READER_ROLES.intersection(caller.roles):
        return _scope(caller, device_id=caller.subject)
    return reader_scope(caller)


def refusal_scope(caller: Caller) -> Scope:
    """Return the scope for reading refused facts. Raises NotAllowed without a role that writes.

    hr and ops see those of the organisation, when the token is for all of it; others see their own.
    """
    if not WRITER_ROLES.intersection(caller.roles):
        raise NotAllowed(f"refused facts are for the roles {', '.join(sorted(WRITER_ROLES))}")
    scope = _scope(caller, device_id=None)
    sees_all = scope.sites is None and OVERSEER_ROLES.intersection(caller.roles)
    return scope if sees_all else replace(scope, made_by=caller.subject)


def _scope(caller: Caller, *, device_id: str | None) -> Scope:
    if not caller.org_id:
        raise NotAllowed("the token names no organisation; it needs the claim `tenant`")
    return Scope(org_id=caller.org_id, sites=caller.sites, device_id=device_id, subject=caller.subject)
