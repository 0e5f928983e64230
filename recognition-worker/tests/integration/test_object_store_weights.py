"""Weights from a real object store: found in either place, proven, cached."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from local_stack.environment import StackEnv
from local_stack.for_tests.buckets import create_bucket, remove_bucket
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.object_store_weights import ObjectStoreWeights
from recognition_worker.adapters.models.packaged_models import WeightPlaces, describe_weights, prepare_models
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.errors import ModelRefused
from service_kit.settings import ObjectStoreSettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration

CONTENT = b"weights of a model"


@pytest.fixture
def manifest() -> ModelManifest:
    return msgspec.structs.replace(
        packaged_manifest(),
        name="Mine",
        version="mine-1",
        file_name="mine.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        source=None,
    )


@pytest.fixture
def settings(stack: StackEnv, bucket: str) -> ObjectStoreSettings:
    return ObjectStoreSettings(
        endpoint=stack.object_store_endpoint,
        access_key=stack.object_store_access_key,
        secret_key=stack.object_store_secret_key,
        bucket=bucket,
    )


@pytest.fixture
def put(settings: ObjectStoreSettings) -> Callable[[str, str, bytes], None]:
    async def putting(bucket: str, key: str, data: bytes) -> None:
        store = ObjectStore(settings)
        await store.put(bucket, key, data, "application/octet-stream")
        await store.close()

    return lambda bucket, key, data: asyncio.run(putting(bucket, key, data))


def test_weights_below_models_in_the_bucket_are_proven_and_cached(
    settings: ObjectStoreSettings,
    put: Callable[[str, str, bytes], None],
    manifest: ModelManifest,
    tmp_path: Path,
) -> None:
    places = WeightPlaces(store=ObjectStoreWeights(settings))
    put(settings.bucket, "models/mine.onnx", CONTENT)
    assert describe_weights(tmp_path, manifest, places).startswith("in the object store")
    assert prepare_models(tmp_path, manifest, places).weights_file.read_bytes() == CONTENT
    # From now on without the store.
    assert prepare_models(tmp_path, manifest).weights_file.read_bytes() == CONTENT
    assert describe_weights(tmp_path, manifest, WeightPlaces()).startswith("proven in")


def test_weights_of_a_bucket_of_their_own_are_found(
    stack: StackEnv,
    settings: ObjectStoreSettings,
    put: Callable[[str, str, bytes], None],
    tmp_path: Path,
    manifest: ModelManifest,
) -> None:
    weights = ObjectStoreWeights(settings)
    create_bucket(stack, "models")
    try:
        put("models", "mine.onnx", CONTENT)
        assert weights.find("mine.onnx") == "models/mine.onnx"
        prepare_models(tmp_path, manifest, WeightPlaces(store=weights))
    finally:
        remove_bucket(stack, "models")


def test_altered_weights_are_refused_and_not_cached(
    settings: ObjectStoreSettings,
    put: Callable[[str, str, bytes], None],
    manifest: ModelManifest,
    tmp_path: Path,
) -> None:
    put(settings.bucket, "models/mine.onnx", b"something else")
    with pytest.raises(ModelRefused, match=r"models/mine.onnx has SHA-256 .*put the right file there"):
        prepare_models(tmp_path, manifest, WeightPlaces(store=ObjectStoreWeights(settings)))
    assert not list(tmp_path.rglob("mine.onnx"))


def test_missing_weights_name_the_place_in_the_store(
    settings: ObjectStoreSettings, manifest: ModelManifest, tmp_path: Path
) -> None:
    with pytest.raises(ModelRefused, match=f"as models/mine.onnx of {settings.bucket} or models/mine.onnx"):
        prepare_models(tmp_path, manifest, WeightPlaces(store=ObjectStoreWeights(settings)))


def test_a_store_that_is_away_is_told(
    settings: ObjectStoreSettings, manifest: ModelManifest, tmp_path: Path
) -> None:
    away = settings.model_copy(update={"endpoint": "http://127.0.0.1:1"})
    with pytest.raises(ModelRefused, match="the object store with the models does not answer"):
        prepare_models(tmp_path, manifest, WeightPlaces(store=ObjectStoreWeights(away)))
