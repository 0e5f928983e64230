"""What brokers answer to `apply`: a refusal stays one, and what may work later is an outage."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidReplicationFactorError,
    NotControllerError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from attendance_schemas.apply.cluster import Cluster
from attendance_schemas.apply.plan import NewTopic
from attendance_schemas.errors import BrokerUnavailable, SchemaError

A, B = (NewTopic(name, 1, 3, {}) for name in "ab")


class Admin:
    """Answers with one error code for each topic."""

    def __init__(self, **codes: int) -> None:
        self._codes = codes

    async def create_topics(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(topic_errors=[(name, code, None) for name, code in self._codes.items()])

    async def list_topics(self) -> list[str]:
        return list(self._codes)

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        return [{"topic": name, "error_code": self._codes[name], "partitions": []} for name in names]


@pytest.mark.parametrize("error", [RequestTimedOutError, NotControllerError])
async def test_what_a_broker_may_do_later_is_an_outage(error):
    with pytest.raises(BrokerUnavailable, match="not created now, apply again: a: "):
        await Cluster(Admin(a=error.errno, b=0)).create([A, B])


async def test_what_a_broker_never_does_is_refused():
    with pytest.raises(SchemaError, match="not created: a: Invalid") as caught:
        await Cluster(Admin(a=InvalidReplicationFactorError.errno, b=RequestTimedOutError.errno)).create(
            [A, B]
        )
    assert not isinstance(caught.value, BrokerUnavailable)


async def test_what_another_made_is_left_alone():
    await Cluster(Admin(a=TopicAlreadyExistsError.errno, b=0)).create([A, B])


@pytest.mark.parametrize(
    ("error", "raised"),
    [(UnknownTopicOrPartitionError, BrokerUnavailable), (TopicAuthorizationFailedError, SchemaError)],
)
async def test_a_topic_that_is_not_described_is_not_taken_for_one_without_partitions(error, raised):
    with pytest.raises(raised, match="not described"):
        await Cluster(Admin(a=error.errno)).topics(["a"])
