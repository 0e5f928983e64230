"""Toxiproxy: a proxy before every server, to cut, delay and thin the connections that come through it."""

import json
from pathlib import Path

import httpx

from local_stack.errors import NotReady
from local_stack.running.links import links
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import StackState
from local_stack.services import Command, StopRule
from local_stack.toxiproxy import toxiproxy_program

CHECK_SECONDS = 3.0


class Toxiproxy:
    """The Toxiproxy server; starts only when it is asked for."""

    name = "toxiproxy"
    after: tuple[str, ...] = ()
    stop_rule = StopRule(seconds=5.0)

    def __init__(self, *, state: StackState, folder: Path, cache: Path) -> None:
        self._port = state.ports["toxiproxy"]
        self._links = links(state)
        self.ports = (self._port, *(link.proxy_port for link in self._links))
        self._folder = folder / self.name
        self._program = toxiproxy_program(cache)

    async def prepare(self) -> None:
        """Write the list of proxies."""
        self._folder.mkdir(parents=True, exist_ok=True)
        proxies = [
            {
                "name": link.name,
                "listen": f"{LOOPBACK}:{link.proxy_port}",
                "upstream": f"{LOOPBACK}:{link.upstream_port}",
                "enabled": True,
            }
            for link in self._links
        ]
        (self._folder / "proxies.json").write_text(json.dumps(proxies, indent=2))

    def command(self) -> Command:
        """Say what to start."""
        listen = ("-host", LOOPBACK, "-port", str(self._port))
        return Command(
            argv=(str(self._program), *listen, "-config", "proxies.json"),
            folder=self._folder,
            environ={"LOG_LEVEL": "warn"},
        )

    async def check(self) -> None:
        """Ask for the proxies; all must be there."""
        try:
            async with httpx.AsyncClient(timeout=CHECK_SECONDS) as client:
                response = await client.get(f"http://{LOOPBACK}:{self._port}/proxies")
                response.raise_for_status()
        except httpx.HTTPError as error:
            raise NotReady(f"no answer: {error!r}") from error
        missing = {link.name for link in self._links} - set(response.json())
        if missing:
            raise NotReady(f"no proxy yet for {', '.join(sorted(missing))}")

    async def finish(self) -> None:
        """Nothing more: the proxies came with the start."""
