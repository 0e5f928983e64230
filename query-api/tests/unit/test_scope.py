import pytest

from query_api.domain.scope import READER_ROLES, Caller, Scope, capture_scope, reader_scope
from query_api.errors import NotAllowed, SiteNotAllowed


def caller(*roles: str, org_id: str | None = "acme", sites: frozenset[str] | None = None) -> Caller:
    return Caller(subject="u-1", roles=frozenset(roles), org_id=org_id, sites=sites)


@pytest.mark.parametrize("role", sorted(READER_ROLES))
def test_each_reading_role_reads_its_organisation(role: str) -> None:
    assert reader_scope(caller(role)) == Scope(org_id="acme", subject="u-1")
    assert capture_scope(caller(role)) == Scope(org_id="acme", subject="u-1")


@pytest.mark.parametrize("roles", [(), ("device",), ("admin",)])
def test_other_roles_read_no_lists(roles: tuple[str, ...]) -> None:
    with pytest.raises(NotAllowed, match="analyst"):
        reader_scope(caller(*roles))


def test_a_device_reads_its_own_captures_only() -> None:
    scope = capture_scope(caller("device"))
    assert scope == Scope(org_id="acme", device_id="u-1", subject="u-1")
    assert scope.allows_capture(org_id="acme", site_id="s", device_id="u-1")
    assert not scope.allows_capture(org_id="acme", site_id="s", device_id="u-2")
    assert not scope.allows_capture(org_id="other", site_id="s", device_id="u-1")


def test_nobody_reads_captures_without_a_role() -> None:
    with pytest.raises(NotAllowed):
        capture_scope(caller("admin"))


@pytest.mark.parametrize("org_id", [None, ""])
def test_a_token_without_an_organisation_reads_nothing(org_id: str | None) -> None:
    with pytest.raises(NotAllowed, match="tenant"):
        reader_scope(caller("analyst", org_id=org_id))
    with pytest.raises(NotAllowed, match="tenant"):
        capture_scope(caller("device", org_id=org_id))


def test_sites_restrict() -> None:
    scope = reader_scope(caller("supervisor", sites=frozenset({"b", "a"})))
    assert scope.sites_for(None) == ["a", "b"]
    assert scope.sites_for("a") == ["a"]
    with pytest.raises(SiteNotAllowed, match="site c"):
        scope.sites_for("c")
    assert not scope.allows_capture(org_id="acme", site_id="c", device_id="k")


def test_no_sites_claim_is_every_site_and_an_empty_one_is_none() -> None:
    assert Scope(org_id="acme").sites_for(None) is None
    assert Scope(org_id="acme").sites_for("x") == ["x"]
    assert Scope(org_id="acme", sites=frozenset()).sites_for(None) == []
