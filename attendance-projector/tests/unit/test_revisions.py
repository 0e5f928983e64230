import pytest

from attendance_projector.store.migrate import head, steps
from attendance_projector.store.revisions import last_pre, works_with

CHAIN = ("0001", "0002pre1", "0002pre2", "0002post1", "0003pre1")
SECOND = CHAIN[:4]


@pytest.mark.parametrize("found", ["0002pre2", "0002post1", "0003pre1", "0003pre7"])
def test_a_version_works_from_its_last_pre_step_until_the_next_ones(found: str) -> None:
    assert works_with(SECOND, found)


@pytest.mark.parametrize("found", ["0001", "0002pre1", "0003", "0003post1", "0004pre1", "none"])
def test_a_version_works_with_nothing_else(found: str) -> None:
    assert not works_with(SECOND, found)


def test_a_version_without_pre_steps_begins_at_its_first() -> None:
    assert last_pre(("0001",)) == "0001"
    assert last_pre(("0001", "0002post1", "0002post2")) == "0002post1"
    assert last_pre(CHAIN) == "0003pre1"


def test_the_newest_step_is_the_last() -> None:
    assert steps()[-1] == head()
