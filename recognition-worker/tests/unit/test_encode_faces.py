from collections.abc import Sequence
from typing import Any

import numpy as np

from recognition_worker.domain.face import Pixels, Vector
from recognition_worker.domain.identity import ModelId, PersonId
from recognition_worker.evaluation.encode_faces import NO_FACE, WorkerEncoder


def encoder(world: Any, **options: Any) -> WorkerEncoder:
    return WorkerEncoder(world.analyser, world.embedder, world.clock, **options)


def test_without_the_gate_every_face_is_embedded(world: Any) -> None:
    small = b"10,10,20,A"  # 20 pixels: too small for production
    assert encoder(world).probe([small])[0].embedding is not None
    assert encoder(world).enrol(PersonId("a"), [small])[0].embedding is not None
    gated = encoder(world, gate=world.enrol)
    assert gated.probe([small])[0].reasons
    assert gated.enrol(PersonId("a"), [small])[0].embedding is None


def test_refusals_keep_their_place_and_a_batch_is_one_call(world: Any) -> None:
    found = encoder(world).probe([b"10,10,100,A", b"", b"broken", b"10,10,100,B"])
    assert [one.embedding is None for one in found] == [False, True, True, False]
    assert found[1].reasons == (NO_FACE,)
    assert "paint spilled" in found[2].reasons[0]
    assert world.embedder.batches == [2]
    assert {"decode", "detect", "align", "quality", "embed"} == set(found[0].timings_ms)


class LeftEmbedder:
    """Looks at the left and the right half."""

    model = ModelId("Halves", "1")

    def embed(self, crops: Sequence[Pixels]) -> Vector:
        found = []
        for crop in crops:
            halves = np.array([crop[:, :56].mean(), crop[:, 56:].mean()], np.float32)
            found.append(halves / np.linalg.norm(halves))
        return np.array(found, np.float32).reshape(len(crops), 2)


def test_mirroring_makes_left_and_right_the_same(world: Any) -> None:
    mirrored = WorkerEncoder(world.analyser, LeftEmbedder(), world.clock, mirrored=True)
    found = mirrored.probe([b"10,10,100,A"])[0].embedding
    np.testing.assert_allclose(found, [np.sqrt(0.5)] * 2, atol=1e-6)
