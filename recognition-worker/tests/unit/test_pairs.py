import pytest

from recognition_worker.evaluation.domain.pairs import BadPairs, Pair, PhotoRef, parse_pairs

TEXT = """2 1
Ann 1 4
Ann 1 Bob 2
Cem 2 3
Dee 1 Ann 4
"""


def test_pairs_come_with_their_fold() -> None:
    assert parse_pairs(TEXT) == (
        Pair(PhotoRef("Ann", 1), PhotoRef("Ann", 4), 0),
        Pair(PhotoRef("Ann", 1), PhotoRef("Bob", 2), 0),
        Pair(PhotoRef("Cem", 2), PhotoRef("Cem", 3), 1),
        Pair(PhotoRef("Dee", 1), PhotoRef("Ann", 4), 1),
    )
    assert [pair.same for pair in parse_pairs(TEXT)] == [True, False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("ten 300", "line 1"),
        ("1 5", "two folds"),
        ("2 2\nAnn 1 4\n", "announces 8 pairs, there are 1"),
        (TEXT.replace("Cem 2 3", "Cem 2"), "line 4 has 2 words"),
        (TEXT.replace("Cem 2 3", "Cem two 3"), "line 4"),
    ],
)
def test_what_is_no_pairs_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadPairs, match=message):
        parse_pairs(text)
