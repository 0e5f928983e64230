"""A client of the schema registry (Confluent's API, as Apicurio serves it under /apis/ccompat/v7)."""

import asyncio
from types import TracebackType
from typing import Self

import httpx

from attendance_schemas.errors import RegistryUnavailable, SchemaError, SchemaNotRegistered

NOT_FOUND = 404
CONFLICT = 409
SERVER_ERROR = 500
COMPATIBILITY = "BACKWARD_TRANSITIVE"


class SchemaRegistry:
    """Look up and register Avro schemas. `timeout` in seconds bounds every call."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _call(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            response = await self._client.request(method, f"{self._url}{path}", json=body)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self._url} does not answer: {error!r}") from error
        if response.status_code >= SERVER_ERROR:
            raise RegistryUnavailable(f"schema registry {self._url}{path} answered {response.status_code}")
        return response

    async def schema_by_id(self, schema_id: int) -> str:
        """Return the schema text that a framed record names."""
        response = await self._call("GET", f"/schemas/ids/{schema_id}")
        if response.status_code == NOT_FOUND:
            raise SchemaNotRegistered(f"schema id {schema_id} is not in the registry {self._url}")
        return str(_content(response)["schema"])

    async def id_of(self, subject: str, schema: str) -> int:
        """Return the id of a schema registered under this subject."""
        response = await self._call("POST", f"/subjects/{subject}", {"schema": schema, "schemaType": "AVRO"})
        if response.status_code == NOT_FOUND:
            raise SchemaNotRegistered(f"{subject} does not have this schema; run `attendance-schemas apply`")
        return _schema_id(_content(response))

    async def register(self, subject: str, schema: str) -> int:
        """Register a schema and return its id; the same schema again gives the same id."""
        response = await self._call(
            "POST", f"/subjects/{subject}/versions", {"schema": schema, "schemaType": "AVRO"}
        )
        if response.status_code == CONFLICT:
            raise SchemaError(f"{subject}: the new schema is not {COMPATIBILITY}: {response.text}")
        identity = _schema_id(_content(response))
        await self._call("PUT", f"/config/{subject}", {"compatibility": COMPATIBILITY})
        return identity

    async def wait_until_ready(self, *, deadline: float) -> None:
        """Return when the registry answers; raise RegistryUnavailable after `deadline` seconds."""
        async with asyncio.timeout(deadline):
            while True:
                try:
                    await self._call("GET", "/subjects")
                except RegistryUnavailable:
                    await asyncio.sleep(0.1)
                else:
                    return


def _content(response: httpx.Response) -> dict[str, object]:
    if response.is_error:
        raise SchemaError(
            f"schema registry answered {response.status_code} to {response.url}: {response.text}"
        )
    content: dict[str, object] = response.json()
    return content


def _schema_id(content: dict[str, object]) -> int:
    identity = content["id"]
    if not isinstance(identity, int):
        raise SchemaError(f"schema registry answered an id that is no number: {identity!r}")
    return identity
