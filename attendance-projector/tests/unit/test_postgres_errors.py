"""What a dying server makes its connections say is an outage, not a fault of the program."""

import asyncpg
import pytest

from attendance_projector.store.postgres_errors import naming_outages
from service_kit.errors import TransientFailure


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(104, "reset"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_dies_is_waited_for(error: Exception) -> None:
    with pytest.raises(TransientFailure), naming_outages():
        raise error
