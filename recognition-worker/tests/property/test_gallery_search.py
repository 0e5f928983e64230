"""The gallery beside a naive one, to the last bit, whatever it went through and however it looks first."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId, Template, TemplateId
from recognition_worker.domain.search.compact_rows import Codes, encode_probes, encode_rows
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.domain.search.people import short_id

MODEL = ModelId("SFace", "1")
ORG, OTHER = OrgId("acme"), OrgId("other")
DIMENSIONS = 16
PEOPLE = "abcdefghijklmnopqrst"


def whole_numbers(codes: Codes, probes: NDArray[np.int8]) -> NDArray[np.int32]:
    return codes.astype(np.int32) @ probes.astype(np.int32)


def unit(raw: Vector) -> Vector:
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def vector(seed: int, dimensions: int = DIMENSIONS) -> Vector:
    """One in five has a single large number, which bytes say badly; seeds 3 apart may be near each other."""
    drawn = np.random.default_rng(seed // 3)
    raw = drawn.normal(size=dimensions)
    if seed % 5 == 0:
        raw[seed % dimensions] += 20.0
    return unit(raw + np.random.default_rng(seed).normal(size=dimensions) * 0.2)


def template(person: str, number: int, seed: int, org: OrgId = ORG) -> Template:
    return Template(org, PersonId(person), TemplateId(f"t{number}"), MODEL, vector(seed))


def small_gallery(*, compact: bool) -> InMemoryGallery:
    """Chunks of eight rows, so that few people fill several, with bytes as soon as the first is full.

    One row of a chunk may be odd; with two, it is multiplied in float32.
    """
    return InMemoryGallery(
        MODEL,
        DIMENSIONS,
        load_products=(lambda: whole_numbers) if compact else None,
        compact_from=3,
        chunk_rows=8,
    )


@dataclass
class Naive:
    """What the gallery is meant to be, without a thought of speed."""

    templates: dict[tuple[OrgId, str, int], Template] = field(default_factory=dict)

    def ranking(
        self, probe: Vector, org: OrgId, limit: int, scope: Sequence[str] | None = None
    ) -> tuple[list[tuple[str, float]], int]:
        vectors: dict[str, list[tuple[bytes, Vector]]] = {}
        for one in self.templates.values():
            if one.org_id == org and (scope is None or one.person_id in scope):
                exact = one.embedding.astype(np.float64)
                normalised = (exact / np.linalg.norm(exact)).astype(np.float32)
                vectors.setdefault(one.person_id, []).append((short_id(one.template_id), normalised))
        scores = []
        for person, own in vectors.items():
            row = own[0][1]
            if len(own) > 1:
                total = np.zeros(DIMENSIONS)
                for _, made in sorted(own, key=lambda pair: pair[0]):
                    total += made
                row = (total / np.linalg.norm(total)).astype(np.float32)
            scores.append((person, float((row.astype(np.float64) * probe.astype(np.float64)).sum())))
        return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:limit], len(scores)


def asked(
    of: InMemoryGallery, probe: Vector, org: OrgId, limit: int, scope: Sequence[str] | None = None
) -> tuple[list[tuple[str, float]], int]:
    people = None if scope is None else [PersonId(person) for person in scope]
    found = of.search(probe, MODEL, org_id=org, limit=limit, scope=people)
    return [(person.person_id, person.score) for person in found.people], found.searched_count


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "erase"]),
        st.sampled_from(PEOPLE),
        st.integers(1, 3),
        st.integers(0, 60),
        st.sampled_from([ORG, ORG, ORG, OTHER]),
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(
    steps=steps,
    seed=st.integers(0, 200),
    limit=st.integers(1, 5),
    scope=st.none() | st.lists(st.sampled_from(PEOPLE + "Z")),
    compact=st.booleans(),
)
def test_any_life_equals_the_naive_gallery(
    steps: list[tuple[str, str, int, int, OrgId]],
    seed: int,
    limit: int,
    scope: list[str] | None,
    compact: bool,
) -> None:
    lived, naive = small_gallery(compact=compact), Naive()
    for step, person, number, drawn, org in steps:
        if step == "add":
            lived.add(template(person, number, drawn, org))
            naive.templates[org, person, number] = template(person, number, drawn, org)
        else:
            was_there = naive.templates.pop((org, person, number), None) is not None
            assert lived.erase(Person(org, PersonId(person)), TemplateId(f"t{number}")) is was_there
    for org in (ORG, OTHER):
        assert asked(lived, vector(seed), org, limit, scope) == naive.ranking(vector(seed), org, limit, scope)
        assert lived.people_count(org) == naive.ranking(vector(seed), org, 1)[1]
    assert lived.template_count == len(naive.templates)
    assert lived.person_count == len({(org, person) for org, person, _ in naive.templates})


@settings(max_examples=50, deadline=None)
@given(
    order=st.permutations([(person, number) for person in PEOPLE for number in (1, 2)]),
    compact=st.booleans(),
)
def test_the_order_of_arrival_changes_no_bit(order: list[tuple[str, int]], compact: bool) -> None:
    ranked, fresh = small_gallery(compact=compact), small_gallery(compact=not compact)
    for person, number in order:
        ranked.add(template(person, number, ord(person) * 7 + number))
    for person, number in sorted(order):
        fresh.add(template(person, number, ord(person) * 7 + number))
    for seed in range(5):
        assert asked(ranked, vector(seed), ORG, 12) == asked(fresh, vector(seed), ORG, 12)


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("count", [1, 2, 16, 17, 40])
def test_a_batch_answers_as_its_probes_alone(count: int, compact: bool) -> None:
    of = small_gallery(compact=compact)
    for k in range(90):
        of.add(template(f"p{k}", 1, k))
    probes = np.array([vector(1000 + k) for k in range(count)])
    batch = of.search_batch(probes, MODEL, org_id=ORG, limit=3)
    assert batch == [of.search(probe, MODEL, org_id=ORG, limit=3) for probe in probes]
    assert of.search_batch(probes[:0], MODEL, org_id=ORG) == []


def test_equal_faces_rank_by_id_across_chunks() -> None:
    of = small_gallery(compact=True)
    for k in range(30):
        of.add(template(f"p{k:02}", 1, 7))
    found = asked(of, vector(7), ORG, 3)
    assert [person for person, _ in found[0]] == ["p00", "p01", "p02"]


@given(st.integers(0, 10_000), st.integers(2, 300))
def test_bytes_are_never_further_off_than_they_say(seed: int, dimensions: int) -> None:
    rows = np.array([vector(seed + k, dimensions) for k in range(5)])
    probes = np.array([vector(seed + 50 + k, dimensions) for k in range(3)])
    codes, off = encode_rows(rows)
    made = encode_probes(probes)
    scores = whole_numbers(codes, made.codes) * made.scale + made.offset
    exact = rows.astype(np.float64) @ probes.astype(np.float64).T
    for row in range(len(rows)):
        assert (np.abs(scores - exact)[row] <= made.error_bound(off[row])).all()
    assert abs(int(made.codes.max())) <= 63
    assert codes.min() >= 1


class Meddler:
    """Bytes are multiplied, and somebody writes to the gallery in the middle of the search."""

    def __init__(self) -> None:
        self.gallery = InMemoryGallery(
            MODEL, DIMENSIONS, load_products=lambda: self, compact_from=1, chunk_rows=4
        )
        self.meddle: Callable[[], object] = lambda: None
        self.products = 0

    def __call__(self, codes: Codes, probes: NDArray[np.int8]) -> NDArray[np.int32]:
        self.products += 1
        if self.products == 2:  # the first chunk is done, the others are not
            self.meddle()
        return whole_numbers(codes, probes)


@pytest.fixture
def meddler() -> Meddler:
    made = Meddler()
    for k in range(20):
        made.gallery.add(template(f"p{k:02}", 1, 3 * k + 1))
    return made


def test_who_moves_during_a_search_is_found_and_who_is_erased_is_not(meddler: Meddler) -> None:
    of = meddler.gallery
    # The last row moves into the first chunk, which this search has already seen.
    meddler.meddle = partial(of.erase, Person(ORG, PersonId("p01")), TemplateId("t1"))
    found, searched = asked(of, vector(3 * 19 + 1), ORG, 2)
    assert (found[0][0], found[0][1], searched) == ("p19", pytest.approx(1.0), 19)
    meddler.products, meddler.meddle = 0, partial(of.erase, Person(ORG, PersonId("p19")), TemplateId("t1"))
    found, searched = asked(of, vector(3 * 19 + 1), ORG, 20)
    assert "p19" not in [person for person, _ in found]
    assert searched == len(found) == 18


def test_who_is_enrolled_during_a_search_is_found(meddler: Meddler) -> None:
    meddler.meddle = partial(meddler.gallery.add, template("new", 1, 901))
    assert asked(meddler.gallery, vector(901), ORG, 1)[0][0][0] == "new"
    meddler.products, meddler.meddle = 0, partial(meddler.gallery.add, template("p05", 1, 1901))
    found, searched = asked(meddler.gallery, vector(1901), ORG, 1)
    assert (found[0][0], searched) == ("p05", 21)


def test_a_search_in_a_scope_follows_what_is_written_meanwhile() -> None:
    of = small_gallery(compact=False)
    for k in range(20):
        of.add(template(f"p{k:02}", 1, 3 * k + 1))

    class Scope(frozenset[PersonId]):
        """After its first person was asked for, the gallery changes."""

        changed = False

        def __iter__(self) -> Iterator[PersonId]:
            for person in super().__iter__():
                yield person
                if not Scope.changed:
                    Scope.changed = True
                    of.erase(Person(ORG, PersonId("p00")), TemplateId("t1"))
                    of.add(template("late", 1, 700))

    scope = Scope(map(PersonId, ("p00", "p19", "p07", "late", "nobody")))
    found = of.search(vector(700), MODEL, org_id=ORG, scope=scope, limit=9)
    assert sorted(person.person_id for person in found.people) == ["late", "p07", "p19"]
    assert (found.people[0].person_id, found.searched_count) == ("late", 3)


def test_a_gallery_that_is_written_to_all_the_time_is_still_searched(meddler: Meddler) -> None:
    rounds = iter(range(3))

    def rewrite_everything() -> None:
        meddler.products = 0  # once in each scan
        turn = next(rounds)
        for k in range(20):
            meddler.gallery.add(template(f"p{k:02}", 1, 3 * k + 500 + turn))

    meddler.meddle = lambda: rewrite_everything() if rounds.__length_hint__() else None
    found, searched = asked(meddler.gallery, vector(3 * 5 + 502), ORG, 1)
    assert (found[0][0], searched) == ("p05", 20)


def test_writers_and_searches_in_threads_never_lose_who_stays() -> None:
    of = InMemoryGallery(
        MODEL, DIMENSIONS, load_products=lambda: whole_numbers, compact_from=64, chunk_rows=32
    )
    staying = [template(f"stay{k:03}", 1, 3 * k + 1) for k in range(40)]
    for at, one in enumerate(staying):
        of.add(one)
        for k in range(5):
            of.add(template(f"go{at}-{k}", 1, 10_000 + 5 * at + k))
    stopping, failures = threading.Event(), list[object]()

    def churn() -> None:
        turn = 0
        while not stopping.is_set():
            at, k = divmod(turn % 200, 5)
            of.erase(Person(ORG, PersonId(f"go{at}-{k}")), TemplateId("t1"))
            of.add(template(f"go{at}-{k}", 1, 10_000 + turn))
            turn += 1

    def look() -> None:
        for turn in range(150):
            one = staying[turn % len(staying)]
            found = of.search(one.embedding, MODEL, org_id=ORG, limit=240).people
            if one.person_id not in [person.person_id for person in found if person.score > 0.999999]:
                failures.append((one.person_id, found))

    writer, readers = threading.Thread(target=churn), [threading.Thread(target=look) for _ in range(3)]
    for thread in (writer, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    stopping.set()
    writer.join()
    assert failures == []
