"""A coordinator that tells no positions is no group without positions."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from service_kit.kafka.group_offsets import offsets_from

NONE = (-1, "", 0)


class Admin:
    """Answers with an error for the group, and with partitions."""

    def __init__(self, error: int = 0, *partitions: tuple[int, int, str, int]) -> None:
        self._answer = SimpleNamespace(error_code=error, topics=[("a", partitions)] if partitions else [])

    async def find_coordinator(self, _group: str) -> int:
        return 1

    async def _send_request(self, _request: object, _node: int) -> Any:
        return self._answer


async def asked(*answer: Any) -> Any:
    return await offsets_from(Admin(*answer), "workers")  # type: ignore[arg-type]


async def test_positions_are_told() -> None:
    assert await asked(0, (0, 7, "", 0), (1, *NONE)) == {("a", 0): 7}
    assert await asked() == {}


@pytest.mark.parametrize(
    "error", [GroupLoadInProgressError, NotCoordinatorForGroupError, GroupAuthorizationFailedError]
)
async def test_a_refusal_is_not_taken_for_no_positions(error: Any) -> None:
    with pytest.raises(error, match="workers"):
        await asked(error.errno)
    with pytest.raises(error, match="workers"):
        await asked(0, (0, 7, "", 0), (1, -1, "", error.errno))
