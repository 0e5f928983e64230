"""Reads the pairs file of Labeled Faces in the Wild: which two photos to compare, and in which fold.

The first line says how many folds there are and how many pairs of each kind a fold has. Then, fold by fold,
the pairs of one person (`NAME N N`), and the pairs of two (`NAME N NAME N`).
"""

from dataclasses import dataclass

_ONE_PERSON, _TWO_PEOPLE = 3, 4


class BadPairs(ValueError):
    """The text is not a pairs file; the message names the line."""


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """Photo `number` of a person, as the pairs file names it."""

    person: str
    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos to compare. fold: from 0."""

    first: PhotoRef
    second: PhotoRef
    fold: int

    @property
    def same(self) -> bool:
        """Whether both show one person."""
        return self.first.person == self.second.person


def parse_pairs(text: str) -> tuple[Pair, ...]:
    """Parse a pairs file.

    Raises:
        BadPairs: a line cannot be read, or the count of lines is not what the first line says.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    try:
        fold_count, pair_count = (int(number) for number in lines[0])
        if fold_count < 2 or pair_count < 1:  # noqa: PLR2004 - one fold has no others to learn from
            raise BadPairs("line 1 must name two folds or more, and at least one pair")
    except (ValueError, IndexError) as error:
        raise BadPairs(f"line 1 must be the number of folds and of pairs of each kind: {error}") from error
    expected = 2 * fold_count * pair_count
    if len(lines) - 1 != expected:
        raise BadPairs(f"line 1 announces {expected} pairs, there are {len(lines) - 1}")
    return tuple(_pair(words, at + 2, at // (2 * pair_count)) for at, words in enumerate(lines[1:]))


def _pair(words: list[str], line: int, fold: int) -> Pair:
    try:
        if len(words) == _ONE_PERSON:
            name, first, second = words
            return Pair(PhotoRef(name, int(first)), PhotoRef(name, int(second)), fold)
        if len(words) == _TWO_PEOPLE:
            name, first, other, second = words
            return Pair(PhotoRef(name, int(first)), PhotoRef(other, int(second)), fold)
    except ValueError as error:
        raise BadPairs(f"line {line}: {error}") from error
    raise BadPairs(f"line {line} has {len(words)} words; NAME N N or NAME N NAME N is needed")
