from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.site_people import ScopeKind, SiteId, SitePeople

ACME, GLOBEX = OrgId("acme"), OrgId("globex")
PUNE, DELHI = SiteId("pune"), SiteId("delhi")
ANN, BOB = PersonId("ann"), PersonId("bob")


def directory(*, pune_is_limited: bool = True) -> SitePeople:
    made = SitePeople()
    made.record_site(PUNE, ACME, is_limited=pune_is_limited)
    made.record_site(DELHI, ACME, is_limited=False)
    made.record_person(ANN, PUNE)
    made.record_person(BOB, DELHI)
    return made


def test_a_limited_site_is_its_own_people() -> None:
    scope = directory().scope_of(ACME, PUNE)
    assert (scope.kind, scope.people) == (ScopeKind.SITE, {ANN})


def test_another_site_is_the_organisation() -> None:
    scope = directory().scope_of(ACME, DELHI)
    assert (scope.kind, scope.people) == (ScopeKind.ORGANISATION, None)
    assert directory(pune_is_limited=False).scope_of(ACME, PUNE) == scope


def test_a_site_that_is_not_recorded_limits_nothing() -> None:
    known = directory()
    for scope in (known.scope_of(ACME, SiteId("goa")), known.scope_of(GLOBEX, PUNE)):
        assert (scope.kind, scope.people) == (ScopeKind.UNKNOWN_SITE, None)
    known.forget_site(PUNE)
    assert known.scope_of(ACME, PUNE).kind is ScopeKind.UNKNOWN_SITE
    known.record_site(PUNE, ACME, is_limited=True)
    assert known.scope_of(ACME, PUNE).people == {ANN}


def test_the_scope_is_one_object_until_its_people_change() -> None:
    known = directory()
    first = known.scope_of(ACME, PUNE)
    known.record_person(ANN, PUNE)
    known.record_person(BOB, DELHI)
    assert known.scope_of(ACME, PUNE) is first
    known.record_person(BOB, PUNE)
    assert known.scope_of(ACME, PUNE).people == {ANN, BOB}
    known.record_person(ANN, DELHI)
    known.forget_person(BOB)
    known.forget_person(BOB)
    assert known.scope_of(ACME, PUNE).people == frozenset()
    assert first.people == {ANN}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.none() | st.sampled_from([PUNE, DELHI]), st.booleans()),
        max_size=30,
    )
)
def test_any_moves_end_where_the_last_one_says(moves: list[tuple[str, SiteId | None, bool]]) -> None:
    known, homes = directory(), {ANN: PUNE, BOB: DELHI}
    for name, site_id, looking in moves:
        person_id = PersonId(name)
        if site_id is None:
            known.forget_person(person_id)
            homes.pop(person_id, None)
        else:
            known.record_person(person_id, site_id)
            homes[person_id] = site_id
        if looking:
            known.scope_of(ACME, PUNE)
    assert known.scope_of(ACME, PUNE).people == {who for who, home in homes.items() if home == PUNE}
