"""Shares one stack among test runs: the last one to leave stops what a test run started."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from local_stack.running.stack import Stack


@contextmanager
def leased(stack: Stack, *, keep: bool) -> Iterator[None]:
    """Start the stack unless it runs; stop it when nobody else uses it and no person started it.

    keep: leave it running, as if a person had started it.
    """
    stack.folder.mkdir(parents=True, exist_ok=True)
    # Present while the stack is one that tests started; also after a test run that was killed.
    marker = stack.folder / "started-by-tests"
    with (stack.folder / "users.lock").open("w") as users:
        # Waits while another run that was the last one stops the stack.
        fcntl.flock(users, fcntl.LOCK_SH)
        if stack.up():
            marker.touch()
        if keep:
            marker.unlink(missing_ok=True)
        try:
            yield
        finally:
            if marker.exists() and _is_last(users.fileno()):
                stack.down()
                marker.unlink(missing_ok=True)


def _is_last(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
