"""Whom a capture is compared with: everybody of the organisation, or the people whose home site it is.

The site says which (`identification_scope`). A site that is not recorded limits nothing: nobody is missed
because of a directory that is incomplete. A roster entry names no site, so it moves nobody.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from recognition_worker.domain.identity import OrgId, PersonId

SiteId = NewType("SiteId", str)


class ScopeKind(StrEnum):
    """Why a search covers what it covers; a label of a metric."""

    ORGANISATION = "organisation"
    SITE = "site"
    UNKNOWN_SITE = "unknown-site"


@dataclass(frozen=True, slots=True)
class SearchScope:
    """people: None means the whole organisation."""

    kind: ScopeKind
    people: frozenset[PersonId] | None = None


_WHOLE_ORGANISATION = SearchScope(ScopeKind.ORGANISATION)
_UNKNOWN_SITE = SearchScope(ScopeKind.UNKNOWN_SITE)


@dataclass(frozen=True, slots=True)
class _Site:
    org_id: OrgId
    is_limited: bool


class SitePeople:
    """Sites and the people whose home they are, as the directory records them. Not thread-safe."""

    def __init__(self) -> None:
        self._sites: dict[SiteId, _Site] = {}
        self._home_of: dict[PersonId, SiteId] = {}
        self._people_of: dict[SiteId, set[PersonId]] = {}
        # Made when it is asked for: most sites never are.
        self._scopes: dict[SiteId, SearchScope] = {}

    def record_site(self, site_id: SiteId, org_id: OrgId, *, is_limited: bool) -> None:
        """Take in a site. is_limited: its captures are compared with its own people."""
        self._sites[site_id] = _Site(org_id, is_limited)

    def forget_site(self, site_id: SiteId) -> None:
        """Take a site out; its people keep it as their home, should it come back."""
        self._sites.pop(site_id, None)

    def record_person(self, person_id: PersonId, home_site_id: SiteId) -> None:
        """Take in a person, or move them to another home site."""
        if self._home_of.get(person_id) == home_site_id:
            return
        self.forget_person(person_id)
        self._home_of[person_id] = home_site_id
        self._people_of.setdefault(home_site_id, set()).add(person_id)
        self._scopes.pop(home_site_id, None)

    def forget_person(self, person_id: PersonId) -> None:
        """Take a person out."""
        home = self._home_of.pop(person_id, None)
        if home is not None:
            self._people_of[home].discard(person_id)
            self._scopes.pop(home, None)

    def scope_of(self, org_id: OrgId, site_id: SiteId) -> SearchScope:
        """Return whom a capture at a site is compared with; the same object until its people change."""
        site = self._sites.get(site_id)
        if site is None or site.org_id != org_id:
            return _UNKNOWN_SITE
        if not site.is_limited:
            return _WHOLE_ORGANISATION
        scope = self._scopes.get(site_id)
        if scope is None:
            people = frozenset(self._people_of.get(site_id, ()))
            scope = self._scopes[site_id] = SearchScope(ScopeKind.SITE, people)
        return scope
