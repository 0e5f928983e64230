"""What multiplies bytes gives the numbers that numpy gives, to the last bit."""

import threading

import numpy as np
import pytest

from recognition_worker.adapters.runtimes.onnxruntime_byte_products import (
    PRODUCT_GRAPH,
    OnnxRuntimeByteProducts,
    is_exact,
)
from recognition_worker.domain.identity import ModelId, OrgId, PersonId, Template, TemplateId
from recognition_worker.domain.search.compact_rows import encode_probes, encode_rows
from recognition_worker.domain.search.gallery import InMemoryGallery

MODEL = ModelId("SFace", "1")
ORG = OrgId("acme")


@pytest.fixture(scope="module")
def products() -> OnnxRuntimeByteProducts:
    return OnnxRuntimeByteProducts()


@pytest.mark.parametrize("probe_count", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("dimensions", [1, 8, 127, 128, 512])
def test_the_products_are_those_of_numpy(
    products: OnnxRuntimeByteProducts, probe_count: int, dimensions: int
) -> None:
    drawn = np.random.default_rng(dimensions * 100 + probe_count)
    for row_count in (1, 63, 300):
        codes = drawn.integers(1, 256, (row_count, dimensions)).astype(np.uint8)
        codes[0] = 255
        probes = drawn.integers(-63, 64, (dimensions, probe_count)).astype(np.int8)
        probes[:, 0] = 63
        expected = codes.astype(np.int32) @ probes.astype(np.int32)
        assert np.array_equal(products(codes, probes), expected)


def test_the_graph_is_one_product_of_bytes() -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["codes", "probes"], ["products"])],
        "byte products",
        [
            helper.make_tensor_value_info("codes", TensorProto.UINT8, ["rows", "dimensions"]),
            helper.make_tensor_value_info("probes", TensorProto.INT8, ["dimensions", "probes"]),
        ],
        [helper.make_tensor_value_info("products", TensorProto.INT32, ["rows", "probes"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    assert model.SerializeToString() == PRODUCT_GRAPH


def test_a_product_that_saturates_is_noticed() -> None:
    """As before AVX512-VNNI: two products are added in 16 bits. The codes of the gallery do not reach it."""

    def saturating(codes, probes):  # type: ignore[no-untyped-def]
        terms = codes.astype(np.int32)[:, :, None] * probes.astype(np.int32)[None]
        pairs = terms[:, 0::2] + terms[:, 1::2]
        return np.clip(pairs, -32768, 32767).sum(axis=1, dtype=np.int32)

    def off_by_one(codes, probes):  # type: ignore[no-untyped-def]
        return codes.astype(np.int32) @ probes.astype(np.int32) + 1

    assert is_exact(saturating)
    assert not is_exact(off_by_one)


def test_threads_get_their_own_answers(products: OnnxRuntimeByteProducts) -> None:
    drawn = np.random.default_rng(1)
    rows = drawn.normal(size=(2000, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    codes, _ = encode_rows(rows)
    wrong: list[int] = []

    def work(number: int) -> None:
        probes = encode_probes(rows[number : number + 3]).codes
        expected = codes.astype(np.int32) @ probes.astype(np.int32)
        wrong.extend(number for _ in range(50) if not np.array_equal(products(codes, probes), expected))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_gallery_answers_the_same_with_and_without() -> None:
    drawn = np.random.default_rng(2)
    rows = drawn.normal(size=(3000, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    plain = InMemoryGallery(MODEL, 128)
    compact = InMemoryGallery(
        MODEL, 128, load_products=OnnxRuntimeByteProducts, compact_from=100, chunk_rows=256
    )
    for number, row in enumerate(rows):
        for of in (plain, compact):
            of.add(Template(ORG, PersonId(f"p{number}"), TemplateId("t"), MODEL, row))
    probes = rows[::100] + drawn.normal(size=(30, 128)).astype(np.float32) * np.float32(0.05)
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    expected = plain.search_batch(probes, MODEL, org_id=ORG)
    assert compact.search_batch(probes, MODEL, org_id=ORG) == expected
    assert [ranking.people[0].person_id for ranking in expected] == [f"p{k}" for k in range(0, 3000, 100)]
