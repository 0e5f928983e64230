"""Which corrections hold: voids of voids, as many as anybody makes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from attendance_projector.domain.corrections import (
    Correction,
    Made,
    Override,
    Void,
    corrections_in_force,
)
from attendance_projector.domain.facts import RuleError
from attendance_projector.domain.status import Status

AT = datetime(2026, 3, 2, tzinfo=UTC)
MANY = 5000


def made(number: int) -> Made:
    return Made("hr-1", "asked", AT + timedelta(seconds=number), f"c{number}")


def chain(length: int) -> list[Correction]:
    """Return an override that a void names, which another void names, and so on."""
    voids = [Void(made(number), correction_id=f"c{number - 1}") for number in range(1, length)]
    return [Override(made(0), date(2026, 3, 2), Status.LEAVE), *voids]


def overridden(corrections: Sequence[Correction]) -> bool:
    return bool(corrections_in_force(corrections).overrides)


def test_each_void_of_a_void_turns_what_holds_around() -> None:
    assert [overridden(chain(length)) for length in range(1, 6)] == [True, False, True, False, True]
    assert overridden(chain(3)[::-1])


def test_of_two_voids_of_one_correction_either_is_enough() -> None:
    first, second = (Void(made(number), correction_id="c0") for number in (1, 2))
    held_back = Void(made(3), correction_id="c1")
    assert not overridden([*chain(1), first, second])
    assert not overridden([*chain(1), first, second, held_back])
    assert overridden([*chain(1), first, held_back])


def test_a_void_of_what_is_not_known_yet_waits_for_it() -> None:
    assert not overridden(chain(2)[1:])
    assert overridden([*chain(1), *chain(4)[2:]])


def test_thousands_of_voids_of_voids_are_decided() -> None:
    assert not overridden(chain(MANY))
    assert overridden(chain(MANY + 1))


def test_a_long_circle_is_an_error() -> None:
    circle = [Void(made(number), correction_id=f"c{(number + 1) % MANY}") for number in range(MANY)]
    with pytest.raises(RuleError, match="correction c0 voids itself in a circle"):
        corrections_in_force([*circle, Void(made(MANY), correction_id="c7")])
