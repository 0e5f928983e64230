"""Toxiproxy's HTTP API, as far as harm to links needs it."""

from collections.abc import Mapping
from typing import Any

import httpx


class Toxics:
    """Harm to the links of a stack: cut, delay, thin, and heal."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def add_link(self, name: str, upstream_port: int) -> int:
        """Put a proxy before a port of this machine; return the port of the proxy."""
        proxy = {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream_port}"}
        made = await self._ask("POST", "/proxies", {**proxy, "enabled": True})
        return int(made["listen"].rpartition(":")[2])

    async def remove_link(self, name: str) -> None:
        """Take a proxy away."""
        await self._ask("DELETE", f"/proxies/{name}")

    async def cut(self, link: str) -> None:
        """Hang up on everybody and refuse connections."""
        await self._ask("POST", f"/proxies/{link}", {"enabled": False})

    async def add(self, link: str, kind: str, stream: str, attributes: Mapping[str, int]) -> None:
        """Add a toxic to a link."""
        toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "attributes": dict(attributes)}
        await self._ask("POST", f"/proxies/{link}/toxics", toxic)

    async def heal(self, link: str) -> None:
        """Take all toxics from a link and let connections in."""
        for toxic in await self._ask("GET", f"/proxies/{link}/toxics"):
            await self._ask("DELETE", f"/proxies/{link}/toxics/{toxic['name']}")
        await self._ask("POST", f"/proxies/{link}", {"enabled": True})

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        response = await self._client.request(method, self._url + path, json=body)
        response.raise_for_status()
        return response.json() if response.content else None
