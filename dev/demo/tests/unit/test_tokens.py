"""A token is for an organisation that is recorded where it is asked for."""

from pathlib import Path

import pytest

from attendance_demo.errors import DemoError
from attendance_demo.tokens import choose

STACK = Path("/stack")


def test_the_one_that_was_asked_for_or_the_only_one() -> None:
    assert choose("b", ["a", "b"], STACK) == "b"
    assert choose("", ["a"], STACK) == "a"


@pytest.mark.parametrize(
    ("asked", "recorded", "advice"),
    [
        (
            "c",
            ["a", "b"],
            r"organisation c is not recorded in /stack; recorded are a, b\. .* --role ops --org c",
        ),
        ("", [], r"none is\. .*local-stack token --role ops --org ORGANISATION --dir /stack"),
        ("", ["a", "b"], r"ORG=\.\.\.; recorded are a, b"),
    ],
)
def test_what_is_not_recorded_is_refused_with_what_to_do(
    asked: str, recorded: list[str], advice: str
) -> None:
    with pytest.raises(DemoError, match=advice):
        choose(asked, recorded, STACK)
