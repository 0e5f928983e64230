"""Tells whether the photos of one enrolment show one person.

A colleague's photo in somebody's enrolment would let that colleague check in for them, so a photo that
disagrees with the others is refused. With two photos that disagree nobody can say which is the wrong one:
both are refused.
"""

import numpy as np

from recognition_worker.domain.face import Vector


def odd_ones_out(embeddings: Vector, same_person_score: float) -> frozenset[int]:
    """Return the positions that do not belong to the largest group of photos that show one person.

    embeddings: float32 (n, d), unit norm. Two photos show one person when their cosine is at least
    `same_person_score`; a photo's group is what agrees with it. Groups of one, or a draw, are nobody's: all
    of them are odd.
    """
    count = len(embeddings)
    if count < 2:  # noqa: PLR2004 - a single photo has nothing to disagree with
        return frozenset()
    agrees = embeddings @ embeddings.T >= same_person_score
    np.fill_diagonal(agrees, val=True)
    sizes = agrees.sum(axis=1)
    largest = int(sizes.argmax())
    if 2 * int(sizes[largest]) <= count:
        return frozenset(range(count))
    return frozenset(int(at) for at in np.flatnonzero(~agrees[largest]))
