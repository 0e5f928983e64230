"""What a broker does not tell of a topic is no sign that there is none."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import LeaderNotAvailableError, TopicAuthorizationFailedError

from service_kit.kafka.topic_ids import NO_ID, TopicIdentity, identities_from

THINGS, NO_SUCH_TOPIC = UUID(int=7), 3


class Broker:
    """Answers with an error for each topic."""

    def __init__(self, **errors: int) -> None:
        self._errors = errors

    def get_random_node(self) -> int:
        return 1

    async def send(self, _node: int, _request: object) -> Any:
        topics = [
            (error, name, NO_ID if error else THINGS, False, [], 0) for name, error in self._errors.items()
        ]
        return SimpleNamespace(cluster_id="here", topics=topics)


async def asked(broker: Broker) -> Any:
    return await identities_from(broker, ["things", "gone"])  # type: ignore[arg-type]


async def test_a_topic_that_is_none_is_left_out() -> None:
    found = await asked(Broker(things=0, gone=NO_SUCH_TOPIC))
    assert found == {"things": TopicIdentity("here", THINGS)}


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError, LeaderNotAvailableError])
async def test_a_topic_that_the_broker_does_not_tell_is_not_taken_for_none(error: Any) -> None:
    with pytest.raises(error, match="things"):
        await asked(Broker(gone=NO_SUCH_TOPIC, things=error.errno))
