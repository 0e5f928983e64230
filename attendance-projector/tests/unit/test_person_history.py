"""What a record of a person says of before, as the rules read it, or not at all."""

from datetime import date
from typing import Any

import pytest

from attendance_projector.domain.facts import InvalidFact
from attendance_projector.projection.directory.rule_inputs import check_directory_event
from attendance_schemas.events import PersonTerms
from attendance_testing.projector.plant_events import PlantEvents

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


def terms(replaced_on: date, **fields: Any) -> PersonTerms:
    return PersonTerms(replaced_on=replaced_on, home_site_id="site", **fields)


def test_terms_in_order_are_read() -> None:
    check_directory_event(PlantEvents().person("asha", earlier=(terms(MARCH), terms(APRIL, active=False))))


@pytest.mark.parametrize(
    ("earlier", "message"),
    [
        ((terms(APRIL), terms(MARCH)), "terms come in order"),
        ((terms(MARCH), terms(MARCH)), "terms come in order"),
        ((terms(MARCH, joined_on=APRIL, left_on=MARCH),), "left_on"),
    ],
)
def test_terms_that_cannot_have_been_are_refused(earlier: tuple[PersonTerms, ...], message: str) -> None:
    with pytest.raises(InvalidFact, match=message):
        check_directory_event(PlantEvents().person("asha", earlier=earlier))
