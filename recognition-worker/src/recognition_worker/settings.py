"""Settings of recognition-worker, read from the environment at start; unknown ones are refused."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from recognition_worker.domain.operating_point import DEFAULT_TARGET_FPIR
from service_kit.setting_types import ReadableFile, ReadableFolder, Text, WritableFolder
from service_kit.settings import (
    HttpSettings,
    KafkaSettings,
    ObjectStoreSettings,
    SchemaRegistrySettings,
)
from service_kit.state.envelope import KeyRingSettings

SERVICE = "recognition-worker"


def default_model_cache() -> Path:
    """Return the folder for restored models that is used when no other is named."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recognition-worker"


class EmbedderChoice(StrEnum):
    """What computes the embeddings; the weights are the same for all."""

    AUTO = "auto"
    OPENVINO = "openvino"
    OPENVINO_INT8 = "openvino-int8"
    KERAS = "keras"
    DEEPFACE = "deepface"


OPENVINO_CHOICES = (EmbedderChoice.OPENVINO, EmbedderChoice.OPENVINO_INT8)


class TemplateEncryptionSettings(KeyRingSettings):
    """The key-encryption keys of templates."""

    env_prefix: ClassVar[str] = "TEMPLATE_ENCRYPTION_"
    advice: ClassVar[str] = (
        "make one with `recognition-worker new-key` and keep it away from copies of Kafka's data"
    )


class LivenessChoice(StrEnum):
    """What looks for faces that are shown and not there."""

    OFF = "off"


class PipelineChoice(StrEnum):
    """What an evaluation measures: the worker's own way from photo to embedding, or DeepFace's."""

    WORKER = "worker"
    DEEPFACE = "deepface"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model a command is about, where its files may lie, and what computes its embeddings."""

    name: str
    cache: Path
    registry: Path | None
    embedder: EmbedderChoice = EmbedderChoice.DEEPFACE


class Settings(HttpSettings):
    """Variables have the prefix RECOGNITION_WORKER_; those of Kafka, the object store and so on their own."""

    env_prefix: ClassVar[str] = "RECOGNITION_WORKER_"

    port: int = Field(default=8010, ge=0, le=65535, description="of health and metrics")
    model_cache: WritableFolder = Field(
        default_factory=default_model_cache,
        description="folder for restored models; filled at the first start",
    )
    model: Text = Field(
        default="SFace",
        description="which model decides, NAME or NAME@VERSION, while no rollout is recorded",
    )
    model_registry: ReadableFolder | None = Field(
        default=None, description="folder with manifests (*.toml) and weights/ beside the packaged ones"
    )
    embedder: EmbedderChoice = Field(
        default=EmbedderChoice.AUTO,
        description="auto: keras on a GPU, else openvino-int8 or openvino, by what the processor has, and "
        "deepface where OpenVINO is not installed",
    )
    liveness: LivenessChoice = Field(
        default=LivenessChoice.OFF,
        description="off is all there is: docs/recognition/liveness.md says why, and how to add a check",
    )
    batch_size: int = Field(default=16, ge=1, le=256, description="captures embedded in one call at most")
    target_fpir: float = Field(
        default=DEFAULT_TARGET_FPIR,
        gt=0,
        lt=1,
        description="share of strangers' captures that may be identified as somebody; calibrated ones only",
    )
    calibration: ReadableFile | None = Field(
        default=None,
        description="thresholds of your own for the same model, as `calibrate --write` made them",
    )
    image_fetches: int = Field(default=8, ge=1, le=64, description="images fetched at the same time")
    inference_threads: int = Field(default=1, ge=1, le=32, description="threads of image and model work")
    stalled_after_seconds: float = Field(
        default=180.0,
        ge=90,
        description="lag without progress for this long fails liveness; over the 60 s backoff",
    )
    out_of_group_after_seconds: float = Field(
        default=300.0,
        ge=30,
        description="out of the group for this long though Kafka answers fails liveness",
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    schema_registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    template_encryption: TemplateEncryptionSettings = Field(default_factory=TemplateEncryptionSettings)
