"""What the broker does when the retention of a group's offsets is over, at once: it forgets the group."""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String


class _DeletedGroups(Response):  # type: ignore[misc]
    """Source: https://kafka.apache.org/protocol, DeleteGroups, version 0."""

    API_KEY = 42
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("results", Array(("group", String("utf-8")), ("error_code", Int16)))
    )


class _DeleteGroupsV0(RequestStruct):  # type: ignore[misc]
    API_KEY = 42
    API_VERSION = 0
    RESPONSE_TYPE = _DeletedGroups
    SCHEMA = Schema(("groups", Array(String("utf-8"))))


class _DeleteGroups(Request[_DeleteGroupsV0]):  # type: ignore[misc]
    API_KEY = 42

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class([self._group])


async def forget_group(bootstrap_servers: str, group: str) -> None:
    """Forget a group that has no member, on a cluster of one broker; raises Kafka's error when it has one."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        answer = await client.send(client.get_random_node(), _DeleteGroups(group))
    finally:
        await client.close()
    for _, code in answer.results:
        if code:
            raise for_code(code)(f"{group} is not forgotten")
