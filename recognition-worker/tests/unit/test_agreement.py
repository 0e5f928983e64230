import numpy as np
import pytest

from recognition_worker.domain.agreement import odd_ones_out

ANN, BOB, CEM = np.eye(3, 8, dtype=np.float32)


@pytest.mark.parametrize(
    ("photos", "odd"),
    [
        ([], set()),
        ([ANN], set()),
        ([ANN, ANN], set()),
        ([ANN, BOB], {0, 1}),
        ([ANN, BOB, ANN], {1}),
        ([ANN, BOB, CEM], {0, 1, 2}),
        ([ANN, ANN, BOB, BOB], {0, 1, 2, 3}),
        ([BOB, ANN, ANN, ANN], {0}),
    ],
)
def test_the_odd_photo_is_named(photos: list[np.ndarray], odd: set[int]) -> None:
    embeddings = np.array(photos, dtype=np.float32).reshape(len(photos), 8)
    assert odd_ones_out(embeddings, 0.3) == odd
