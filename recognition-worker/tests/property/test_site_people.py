from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.identity import OrgId, Person, PersonId, Site, SiteId
from recognition_worker.domain.site_people import ScopeKind, SitePeople

ACME, GLOBEX = OrgId("acme"), OrgId("globex")
PUNE, DELHI = Site(ACME, SiteId("pune")), Site(ACME, SiteId("delhi"))
ANN, BOB = Person(ACME, PersonId("ann")), Person(ACME, PersonId("bob"))


def directory(*, pune_is_limited: bool = True) -> SitePeople:
    made = SitePeople()
    made.record_site(PUNE, is_limited=pune_is_limited)
    made.record_site(DELHI, is_limited=False)
    made.record_person(ANN, PUNE.site_id)
    made.record_person(BOB, DELHI.site_id)
    return made


def test_a_limited_site_is_its_own_people() -> None:
    scope = directory().scope_of(PUNE)
    assert (scope.kind, scope.people) == (ScopeKind.SITE, {ANN.person_id})


def test_a_home_is_of_who_is_recorded() -> None:
    known = directory()
    assert (known.home_of(ANN), known.home_of(BOB)) == (PUNE.site_id, DELHI.site_id)
    known.record_person(ANN, DELHI.site_id)
    known.forget_person(BOB)
    assert (known.home_of(ANN), known.home_of(BOB)) == (DELHI.site_id, None)
    assert known.home_of(Person(GLOBEX, ANN.person_id)) is None


def test_another_site_is_the_organisation() -> None:
    scope = directory().scope_of(DELHI)
    assert (scope.kind, scope.people) == (ScopeKind.ORGANISATION, None)
    assert directory(pune_is_limited=False).scope_of(PUNE) == scope


def test_a_site_that_is_not_recorded_limits_nothing() -> None:
    known = directory()
    for scope in (known.scope_of(Site(ACME, SiteId("goa"))), known.scope_of(Site(GLOBEX, PUNE.site_id))):
        assert (scope.kind, scope.people) == (ScopeKind.UNKNOWN_SITE, None)
    known.forget_site(PUNE)
    assert known.scope_of(PUNE).kind is ScopeKind.UNKNOWN_SITE
    known.record_site(PUNE, is_limited=True)
    assert known.scope_of(PUNE).people == {ANN.person_id}


def test_a_site_of_another_organisation_has_people_of_its_own() -> None:
    known, theirs = directory(), Site(GLOBEX, PUNE.site_id)
    known.record_site(theirs, is_limited=True)
    known.record_person(Person(GLOBEX, ANN.person_id), DELHI.site_id)
    known.record_person(Person(GLOBEX, BOB.person_id), PUNE.site_id)
    assert known.scope_of(PUNE).people == {ANN.person_id}
    assert known.scope_of(theirs).people == {BOB.person_id}
    known.forget_person(Person(GLOBEX, ANN.person_id))
    known.forget_site(theirs)
    assert known.scope_of(PUNE).people == {ANN.person_id}


def test_the_scope_is_one_object_until_its_people_change() -> None:
    known = directory()
    first = known.scope_of(PUNE)
    known.record_person(ANN, PUNE.site_id)
    known.record_person(BOB, DELHI.site_id)
    assert known.scope_of(PUNE) is first
    known.record_person(BOB, PUNE.site_id)
    assert known.scope_of(PUNE).people == {ANN.person_id, BOB.person_id}
    known.record_person(ANN, DELHI.site_id)
    known.forget_person(BOB)
    known.forget_person(BOB)
    assert known.scope_of(PUNE).people == frozenset()
    assert first.people == {ANN.person_id}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ACME, GLOBEX]),
            st.sampled_from(["ann", "bob", "cem"]),
            st.none() | st.sampled_from([PUNE.site_id, DELHI.site_id]),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_any_moves_end_where_the_last_one_says(moves: list[tuple[OrgId, str, SiteId | None, bool]]) -> None:
    known, homes = directory(), {ANN: PUNE, BOB: DELHI}
    their_pune = Site(GLOBEX, PUNE.site_id)
    known.record_site(their_pune, is_limited=True)
    for org_id, name, site_id, looking in moves:
        person = Person(org_id, PersonId(name))
        if site_id is None:
            known.forget_person(person)
            homes.pop(person, None)
        else:
            known.record_person(person, site_id)
            homes[person] = Site(org_id, site_id)
        if looking:
            known.scope_of(PUNE)
    for site in (PUNE, their_pune):
        assert known.scope_of(site).people == {who.person_id for who, home in homes.items() if home == site}
