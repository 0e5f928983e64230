"""Revisions of the read model: which there are, and which of them a version can work with.

A revision is a number, and its steps: NNNN, or NNNNpre1, NNNNpre2, ... and NNNNpost1, .... A pre step changes
nothing that the version before it relies on; a post step takes away what only that version needed. So a
version works from its own last pre step on, and until the last pre step of the next number, which it cannot
know yet: during an upgrade both versions run.
"""

import re
from collections.abc import Sequence

_STEP = re.compile(r"(\d{4})(?:(pre|post)\d+)?")


def number_of(revision: str) -> int:
    """Return the number of a revision."""
    return int(_parts(revision)[0])


def is_pre(revision: str) -> bool:
    """Say whether a step may run while the version before it still does."""
    return _parts(revision)[1] == "pre"


def last_pre(chain: Sequence[str]) -> str:
    """Return the step, of all in their order, at which a version can begin to run."""
    newest = number_of(chain[-1])
    steps = [each for each in chain if number_of(each) == newest and is_pre(each)]
    return steps[-1] if steps else next(each for each in chain if number_of(each) == newest)


def works_with(chain: Sequence[str], found: str) -> bool:
    """Say whether the version that knows these steps, in their order, works with tables at the one found."""
    if found in chain:
        return chain.index(found) >= chain.index(last_pre(chain))
    return (
        _STEP.fullmatch(found) is not None and is_pre(found) and number_of(found) == number_of(chain[-1]) + 1
    )


def _parts(revision: str) -> tuple[str, str | None]:
    match = _STEP.fullmatch(revision)
    if match is None:
        raise ValueError(f"{revision} is no revision: NNNN, NNNNpreN or NNNNpostN")
    return match[1], match[2]
