"""What an operator reads when a server goes away under a command: a sentence, and what to do."""

import asyncpg
import pytest
import typer

from attendance_projector.plain_failures import plain_failures
from service_kit.errors import TransientFailure


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction"),
        TransientFailure("postgresql", "the server is starting up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_goes_away_ends_a_command_with_a_sentence(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, plain_failures():
        raise error
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert said == (
        f"attendance-projector: {'' if isinstance(error, TransientFailure) else 'postgresql: '}{error}; see "
        "that postgresql answers, then run the same command again\n"
    )


def test_other_failures_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), plain_failures(4):
        raise FileNotFoundError(2, "No such file", "what-if.json")
    assert capsys.readouterr().err == "attendance-projector: [Errno 2] No such file: 'what-if.json'\n"


def test_a_bug_is_no_sentence() -> None:
    with pytest.raises(ZeroDivisionError), plain_failures():
        raise ZeroDivisionError
