import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId, Template, TemplateId
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.errors import ModelMismatch

MODEL = ModelId("SFace", "1")
ORG = OrgId("acme")
ORGS = (ORG, OrgId("globex"))
DIMENSIONS = 8


def vector(seed: int) -> Vector:
    raw = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return raw / np.linalg.norm(raw)


def template(person: str, number: int, org: OrgId = ORG, embedding: Vector | None = None) -> Template:
    made = vector(hash_of(person, number)) if embedding is None else embedding
    return Template(org, PersonId(person), TemplateId(f"t{number}"), MODEL, made)


def hash_of(person: str, number: int) -> int:
    return sum(map(ord, person)) * 1000 + number


def gallery(*templates: Template) -> InMemoryGallery:
    made = InMemoryGallery(MODEL, DIMENSIONS)
    for one in templates:
        made.add(one)
    return made


def scores(of: InMemoryGallery, probe: Vector, org: OrgId = ORG) -> dict[str, float]:
    ranking = of.search(probe, MODEL, org_id=org, limit=1000)
    return {person.person_id: person.score for person in ranking.people}


def test_a_person_scores_with_their_normalised_mean() -> None:
    a, b, probe = vector(1), vector(2), vector(3)
    found = scores(gallery(template("ann", 1, embedding=a), template("ann", 2, embedding=b)), probe)
    mean = (a + b) / np.linalg.norm(a + b)
    assert found == {"ann": pytest.approx(float(mean @ probe), abs=1e-6)}


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(ORGS), st.sampled_from("abc"), st.integers(1, 3)),
        max_size=40,
    ),
    st.integers(0, 1000),
)
def test_any_order_of_adding_and_erasing_equals_what_is_left(
    steps: list[tuple[bool, OrgId, str, int]], seed: int
) -> None:
    lived, left = gallery(), dict[tuple[OrgId, str, int], Template]()
    for adding, org, person, number in steps:
        if adding:
            left[org, person, number] = template(person, number, org)
            lived.add(left[org, person, number])
        else:
            was_there = left.pop((org, person, number), None) is not None
            assert lived.erase(Person(org, PersonId(person)), TemplateId(f"t{number}")) is was_there
    fresh = gallery(*(left[key] for key in sorted(left)))
    # To the bit for the templates; the matrix product may round a row's place differently.
    for org in ORGS:
        assert scores(lived, vector(seed), org) == pytest.approx(scores(fresh, vector(seed), org), abs=1e-6)
        assert lived.people_count(org) == len({person for whose, person, _ in left if whose == org})
    assert lived.template_count == len(left)
    assert lived.person_count == len({(org, person) for org, person, _ in left})


def test_the_gallery_grows_past_its_first_capacity() -> None:
    many = [template(f"p{k}", k) for k in range(200)]
    found = gallery(*many).search(many[150].embedding, MODEL, org_id=ORG)
    assert (found.people[0].person_id, found.searched_count) == ("p150", 200)
    assert len(found.people) == 5


def test_ranking_is_best_first_and_ties_are_stable() -> None:
    same = vector(9)
    of = gallery(*(template(name, 1, embedding=same) for name in ("zoe", "ann", "bob")), template("far", 1))
    ranking = of.search(same, MODEL, org_id=ORG, limit=2)
    assert [person.person_id for person in ranking.people] == ["ann", "bob"]


def test_scope_limits_who_is_compared() -> None:
    of = gallery(*(template(name, 1) for name in ("ann", "bob", "cem")))
    probe = template("ann", 1).embedding
    ranking = of.search(probe, MODEL, org_id=ORG, scope={PersonId("bob"), PersonId("nobody")})
    assert [person.person_id for person in ranking.people] == ["bob"]
    assert ranking.searched_count == 1
    assert of.search(probe, MODEL, org_id=ORG, scope=()).people == ()


def test_organisations_never_see_each_other() -> None:
    other = OrgId("other")
    of = gallery(template("ann", 1), template("bob", 1, org=other))
    assert list(scores(of, vector(1))) == ["ann"]
    assert list(scores(of, vector(1), other)) == ["bob"]
    assert of.search(vector(1), MODEL, org_id=OrgId("third")).searched_count == 0


def test_the_same_ids_in_two_organisations_are_two_people() -> None:
    other = OrgId("other")
    ours, theirs = vector(1), vector(2)
    of = gallery(template("ann", 1, embedding=ours), template("ann", 1, org=other, embedding=theirs))
    assert (of.person_count, of.template_count) == (2, 2)
    assert scores(of, ours) == {"ann": pytest.approx(1.0)}
    assert scores(of, theirs, other) == {"ann": pytest.approx(1.0)}
    assert of.erase(Person(ORG, PersonId("ann")), TemplateId("t1"))
    assert not of.erase(Person(ORG, PersonId("ann")), TemplateId("t1"))
    assert scores(of, ours) == {}
    assert scores(of, theirs, other) == {"ann": pytest.approx(1.0)}


def test_the_callers_array_may_change_afterwards() -> None:
    embedding = vector(4)
    of = gallery(template("ann", 1, embedding=embedding))
    embedding[:] = 0
    of.add(template("ann", 2, embedding=vector(4)))
    assert scores(of, vector(4)) == {"ann": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("model", "embedding"),
    [
        (ModelId("SFace", "2"), vector(1)),
        (ModelId("ArcFace", "1"), vector(1)),
        (MODEL, np.ones(DIMENSIONS, np.float32)),
        (MODEL, np.full(DIMENSIONS, np.nan, np.float32)),
        (MODEL, np.ones(1, np.float32)),
    ],
    ids=["version", "name", "norm", "nan", "dimensions"],
)
def test_what_another_model_made_is_refused(model: ModelId, embedding: Vector) -> None:
    of = gallery()
    with pytest.raises(ModelMismatch):
        of.search(embedding, model, org_id=ORG)
    with pytest.raises(ModelMismatch, match="template t1 of person ann"):
        of.add(Template(ORG, PersonId("ann"), TemplateId("t1"), model, embedding))
    assert of.template_count == 0
