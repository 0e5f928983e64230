import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.views.spread_dict import SpreadDict


@given(st.lists(st.tuples(st.text(max_size=3), st.one_of(st.none(), st.integers()))))
def test_it_is_a_dict(steps: list[tuple[str, int | None]]) -> None:
    plain: dict[str, int] = {}
    spread: SpreadDict[str, int] = SpreadDict()
    for key, value in steps:
        if value is None:
            assert spread.pop(key, None) == plain.pop(key, None)
        else:
            spread[key] = plain[key] = value
        assert spread.get(key) == plain.get(key)
    assert spread == plain
    assert len(spread) == len(plain)
    with pytest.raises(KeyError):
        spread["not there"]
