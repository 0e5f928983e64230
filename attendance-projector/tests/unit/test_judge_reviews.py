"""Reviews count as far as the authority of their maker reaches, in whatever order they arrive."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest

from attendance_projector.domain.authority import covers
from attendance_projector.projection.judge_reviews import fold_reviews
from attendance_projector.projection.stored import KnownCapture, KnownReview

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOMES = {"asha": "pune", "binod": "goa", "chandra": "goa", None: None}


def capture(person: str | None, site: str = "pune", home: str | None = "") -> KnownCapture:
    home = HOMES[person] if home == "" else home
    outcome = "IDENTIFIED" if person else "UNKNOWN"
    return KnownCapture("org", UUID(int=7), AT, 0, site, "kiosk", "IN", outcome, person, home)


def review(number: int, person: str | None, *sites: str) -> KnownReview:
    return KnownReview(
        org_id="org",
        review_id=UUID(int=number),
        capture_id=UUID(int=7),
        person_id=person,
        home_site_id=HOMES[person],
        made_by="foreman",
        sites=frozenset(sites) if sites else None,
        recorded_at=AT + timedelta(seconds=number),
    )


def shown(of: KnownCapture, *reviews: KnownReview) -> tuple[str | None, list[int]]:
    """Return whom the capture shows and the numbers of the reviews that do not count; in any order."""
    found = {
        (folded.shown.person_id, tuple(UUID(each.fact_id).int for each in folded.refused))
        for order in permutations(reviews)
        for folded in [fold_reviews(of, order)]
    }
    assert len(found) == 1
    person_id, refused = found.pop()
    return person_id, list(refused)


@pytest.mark.parametrize(
    ("sites", "places", "is_covered"),
    [
        (None, ["pune", None], True),
        (["pune"], ["pune"], True),
        (["pune"], ["pune", "goa"], False),
        (["pune"], [None], False),
        ([], ["pune"], False),
        (["pune"], [], True),
    ],
)
def test_what_is_not_known_lies_outside_every_limit(
    sites: list[str] | None, places: list[str | None], is_covered: bool
) -> None:
    assert covers(sites, *places) is is_covered


def test_the_capture_the_former_and_the_new_person_must_be_within_reach() -> None:
    both = ("pune", "goa")
    assert shown(capture("asha"), review(1, "binod", *both)) == ("binod", [])
    assert shown(capture("asha"), review(1, "binod", "pune")) == ("asha", [1])  # the new person
    assert shown(capture("asha"), review(1, "binod", "goa")) == ("asha", [1])  # the capture
    assert shown(capture("binod"), review(1, "asha", "pune")) == ("binod", [1])  # the former person
    assert shown(capture("binod"), review(1, None, "pune")) == ("binod", [1])
    assert shown(capture(None), review(1, "asha", "pune")) == ("asha", [])
    assert shown(capture("asha"), review(1, None)) == (None, [])


def test_a_home_that_nobody_knows_is_for_those_who_act_for_all_sites() -> None:
    unknown = capture("asha", home=None)
    assert shown(unknown, review(1, None, "pune")) == ("asha", [1])
    assert shown(unknown, review(1, None)) == (None, [])


def test_a_review_is_judged_by_whom_the_one_before_it_shows() -> None:
    away, back = review(1, "binod"), review(2, "asha", "pune")
    assert shown(capture("asha"), away, back) == ("binod", [2])
    # What does not count moves nothing, so what follows is judged by whom the capture showed before.
    assert shown(capture("asha"), review(1, "binod", "pune"), review(2, None, "pune")) == (None, [1])
    assert shown(capture("asha"), away, back, review(3, "chandra", "pune", "goa")) == ("chandra", [2])


def test_a_refusal_tells_where_the_authority_ends_and_not_whom_the_capture_shows() -> None:
    (refused,) = fold_reviews(capture("binod"), [review(1, "asha", "pune")]).refused
    assert refused.detail == (
        f"capture {UUID(int=7)} shows somebody of another site, and foreman acts for pune only; ask somebody "
        "who acts for both"
    )
    assert (refused.made_by, refused.person_id, refused.reason) == ("foreman", "asha", "out-of-scope")
