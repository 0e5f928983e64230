"""IncrementalAlterConfigs, which aiokafka lacks: it sets what it names and leaves all other settings alone.

Source: Kafka's protocol guide, API key 44, version 0.
"""

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

SET = 0
TOPIC = 2


class IncrementalAlterConfigsResponseV0(Response):  # type: ignore[misc]
    """Whether it worked, for each resource."""

    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class IncrementalAlterConfigsRequestV0(RequestStruct):  # type: ignore[misc]
    """Operations on settings, for each resource."""

    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = IncrementalAlterConfigsResponseV0
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(
                        ("name", String("utf-8")),
                        ("config_operation", Int8),
                        ("value", String("utf-8")),
                    ),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class SetTopicSettings(Request[IncrementalAlterConfigsRequestV0]):  # type: ignore[misc]
    """Set some settings of topics. settings: by topic, then by name. only_check: change nothing."""

    API_KEY = 44

    def __init__(self, settings: dict[str, dict[str, str]], *, only_check: bool = False) -> None:
        self._settings = settings
        self._only_check = only_check

    def build(self, request_struct_class: type[IncrementalAlterConfigsRequestV0]) -> Any:
        """Return the request as the broker reads it."""
        resources = [
            (TOPIC, topic, [(name, SET, value) for name, value in values.items()])
            for topic, values in self._settings.items()
        ]
        return request_struct_class(resources, self._only_check)
