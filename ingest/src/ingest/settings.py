"""Settings of ingest, read from the environment at start; unknown ones are refused."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from attendance_schemas.org_types import folder_of_org_types
from service_kit.setting_types import PublicUrl
from service_kit.settings import (
    AuthSettings,
    HttpSettings,
    KafkaSettings,
    ObjectStoreSettings,
    SchemaRegistrySettings,
    ValkeySettings,
)

MEBIBYTE = 1024 * 1024


class Settings(HttpSettings):
    """Variables have the prefix INGEST_; those of Kafka, the object store and so on have their own."""

    env_prefix: ClassVar[str] = "INGEST_"

    port: int = Field(default=8001, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    query_api_url: PublicUrl = Field(
        default="http://127.0.0.1:8002",
        description="where status_url points to: the public address of query-api, without a slash at the end",
    )
    max_image_bytes: int = Field(default=10 * MEBIBYTE, ge=1024, description="most bytes of one image")
    max_image_pixels: int = Field(default=50_000_000, ge=1, description="most pixels of one image")
    min_image_side_px: int = Field(
        default=32,
        ge=1,
        description="shortest side of an image; recognition decodes no smaller ones",
    )
    max_enrolment_bytes: int = Field(
        default=40 * MEBIBYTE, ge=1024, description="most bytes of all photos of one enrolment"
    )
    max_import_bytes: int = Field(
        default=20 * MEBIBYTE, ge=1024, description="most bytes of one file of directory records"
    )
    max_age_days: int = Field(
        default=62,
        ge=31,
        le=400,
        description="so many days ago a capture or punch may have happened; older ones are refused",
    )
    dependency_timeout_seconds: float = Field(
        default=5.0, gt=0, le=30, description="after this long without an answer from Kafka or the store: 503"
    )
    body_timeout_seconds: float = Field(
        default=120.0, ge=1, le=3600, description="for a body to come in, on the slowest line of a device"
    )
    drain_seconds: float = Field(default=10.0, ge=1, le=120, description="for requests in flight at a stop")
    org_types_dir: Annotated[Path | None, AfterValidator(folder_of_org_types)] = Field(
        default=None, description="folder of own types of organisations; the same for ingest and query-api"
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    schema_registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
