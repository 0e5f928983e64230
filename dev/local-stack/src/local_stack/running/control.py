"""The client side of a supervisor: who holds the folder, what to ask of it, why a start failed."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from local_stack.errors import LocalStackError, NotRunning, ServiceFailed
from local_stack.files import write_private
from local_stack.running.status import StackStatus, parse_status
from local_stack.settings import command_for

ANSWER_WITHIN_SECONDS = 180.0


def supervisor_path(folder: Path) -> Path:
    """Return the path of the file that says where the supervisor listens."""
    return folder / "supervisor.json"


def lock_path(folder: Path) -> Path:
    """Return the path of the lock that a supervisor holds while it lives."""
    return folder / "supervisor.lock"


def ask(folder: Path, request: Mapping[str, object]) -> StackStatus:
    """Send a request to the supervisor and return the status after it.

    Raises:
        NotRunning: there is no supervisor.
        ServiceFailed: the server did not start.
        LocalStackError: the supervisor refused.
    """
    try:
        address = json.loads(supervisor_path(folder).read_text())["control"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_WITHIN_SECONDS)
            connection.connect(address)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("r") as lines:
                text = lines.readline()
    except (FileNotFoundError, ConnectionError) as error:
        raise NotRunning(
            f"No stack runs in {folder}; start it with `{command_for(folder, 'up')}`."
        ) from error
    except TimeoutError as error:
        raise LocalStackError(f"The supervisor of {folder} does not answer; see its logs folder.") from error
    if not text:
        raise NotRunning(f"The stack in {folder} is going down.")
    match json.loads(text):
        case {"failure": {"service": service, "what": what, "log": log}}:
            raise ServiceFailed(service, what, log)
        case {"error": error}:
            raise LocalStackError(error)
        case answer:
            return parse_status(answer["status"])


def failure_path(folder: Path) -> Path:
    """Return the path of the report that a supervisor leaves when it ends because of a server."""
    return folder / "failure.json"


def failure_report(failure: ServiceFailed) -> dict[str, str]:
    """Give the JSON form of a failure."""
    return {"service": failure.service, "what": failure.what, "log": failure.log_tail}


def write_failure(folder: Path, failure: ServiceFailed) -> None:
    """Leave the report for the process that waits for the start."""
    write_private(failure_path(folder), json.dumps(failure_report(failure)))


def read_failure(folder: Path) -> ServiceFailed | None:
    """Read the report of the last run, or None when it left none."""
    try:
        raw = json.loads(failure_path(folder).read_text())
    except FileNotFoundError:
        return None
    return ServiceFailed(raw["service"], raw["what"], raw["log"])
