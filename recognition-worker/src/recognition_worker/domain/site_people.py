"""Whom a capture is compared with: everybody of the organisation, or the people whose home site it is.

The site says which (`identification_scope`). A site that is not recorded limits nothing: nobody is missed
because of a directory that is incomplete. A roster entry names no site, so it moves nobody.
"""

from dataclasses import dataclass
from enum import StrEnum

from recognition_worker.domain.identity import Person, PersonId, Site, SiteId


class ScopeKind(StrEnum):
    """Why a search covers what it covers; a label of a metric."""

    ORGANISATION = "organisation"
    SITE = "site"
    UNKNOWN_SITE = "unknown-site"


@dataclass(frozen=True, slots=True)
class SearchScope:
    """people: of the site's organisation; None means all of them."""

    kind: ScopeKind
    people: frozenset[PersonId] | None = None


_WHOLE_ORGANISATION = SearchScope(ScopeKind.ORGANISATION)
_UNKNOWN_SITE = SearchScope(ScopeKind.UNKNOWN_SITE)


class SitePeople:
    """Sites and the people whose home they are, as the directory records them. Not thread-safe."""

    def __init__(self) -> None:
        self._is_limited: dict[Site, bool] = {}
        self._home_of: dict[Person, SiteId] = {}
        self._people_of: dict[Site, set[PersonId]] = {}
        # Made when it is asked for: most sites never are.
        self._scopes: dict[Site, SearchScope] = {}

    def record_site(self, site: Site, *, is_limited: bool) -> None:
        """Take in a site. is_limited: its captures are compared with its own people."""
        self._is_limited[site] = is_limited

    def forget_site(self, site: Site) -> None:
        """Take a site out; its people keep it as their home, should it come back."""
        self._is_limited.pop(site, None)

    def record_person(self, person: Person, home_site_id: SiteId) -> None:
        """Take in a person, or move them to another home site of their organisation."""
        if self._home_of.get(person) == home_site_id:
            return
        self.forget_person(person)
        self._home_of[person] = home_site_id
        home = Site(person.org_id, home_site_id)
        self._people_of.setdefault(home, set()).add(person.person_id)
        self._scopes.pop(home, None)

    def forget_person(self, person: Person) -> None:
        """Take a person out."""
        home_site_id = self._home_of.pop(person, None)
        if home_site_id is not None:
            home = Site(person.org_id, home_site_id)
            self._people_of[home].discard(person.person_id)
            self._scopes.pop(home, None)

    def home_of(self, person: Person) -> SiteId | None:
        """Return the home site of a person; None: the directory does not have them."""
        return self._home_of.get(person)

    def scope_of(self, site: Site) -> SearchScope:
        """Return whom a capture at a site is compared with; the same object until its people change."""
        is_limited = self._is_limited.get(site)
        if is_limited is None:
            return _UNKNOWN_SITE
        if not is_limited:
            return _WHOLE_ORGANISATION
        scope = self._scopes.get(site)
        if scope is None:
            people = frozenset(self._people_of.get(site, ()))
            scope = self._scopes[site] = SearchScope(ScopeKind.SITE, people)
        return scope
