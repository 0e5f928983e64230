"""A client of the schema registry (Confluent's API, as Apicurio serves it under /apis/ccompat/v7).

Ids come from here, not from the registry: `import_texts` puts a schema in under its id, by an API of Apicurio
itself, which lacks that part of Confluent's. A registry that does not answer as one does is away.
"""

import asyncio
import hashlib
import io
import json
import ssl
import zipfile
from collections.abc import Container, Mapping
from types import TracebackType
from typing import Self

import httpx

from attendance_schemas.errors import RegistryUnavailable, SchemaError, SchemaNotRegistered
from attendance_schemas.schema_files import id_of_text, one_line

CONFLICT, UNPROCESSABLE = 409, 422
# Confluent's codes, beside the status 404.
NO_SUBJECT, NO_SCHEMA, NO_RULE = 40401, 40403, 40408
CONFLUENT_API, IMPORT_API = "/apis/ccompat/v7", "/apis/registry/v3/admin/import"
ADVICE = {
    401: "it wants to know who asks: put a user and password into SCHEMA_REGISTRY_URL",
    403: "this user may not: give it the right to read, and to `attendance-schemas apply` the right to write",
    404: "and not as a registry does: is the path of SCHEMA_REGISTRY_URL right, and no proxy in the way?",
    429: "too many requests: raise its limit, or wait",
}


class SchemaRegistry:
    """Look up and register Avro schemas. `timeout` in seconds bounds every call.

    tls: whom to believe and who we are at an https URL; else the system's certificates, and nobody.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None, *, timeout: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=timeout, verify=tls or True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def schema_by_id(self, schema_id: int) -> str:
        """Return the schema of an id. Raises SchemaNotRegistered or RegistryUnavailable."""
        found = await self._ask("GET", f"/schemas/ids/{schema_id}", absent={NO_SCHEMA})
        if found is None:
            raise SchemaNotRegistered(f"schema id {schema_id} is not in the registry {self._url}")
        return self._text(found, "schema")

    async def found_id(self, subject: str, schema: str) -> int | None:
        """Return the id that the registry gave this schema under this subject; None: it is not registered."""
        body = {"schema": schema, "schemaType": "AVRO"}
        found = await self._ask("POST", f"/subjects/{subject}", body, absent={NO_SUBJECT, NO_SCHEMA})
        return None if found is None else self._number(found, "id")

    async def id_of(self, subject: str, schema: str) -> int:
        """Return the id of a registered schema. Raises SchemaNotRegistered, also when the id is another."""
        found = await self.found_id(subject, schema)
        if found is None:
            raise SchemaNotRegistered(f"{subject} does not have this schema; run `attendance-schemas apply`")
        if found != id_of_text(schema):
            raise SchemaNotRegistered(
                f"{subject} has this schema under id {found}, and it should be {id_of_text(schema)}; "
                "run `attendance-schemas apply`, which says what to do"
            )
        return found

    async def register(self, subject: str, schema: str) -> int:
        """Register a schema that was imported, and return its id; the same schema again changes nothing.

        Raises SchemaError when the registry's rule forbids it or it was not imported.
        """
        body = {"schema": schema, "schemaType": "AVRO"}
        found = await self._ask("POST", f"/subjects/{subject}/versions", body)
        if (given := self._number(found, "id")) != id_of_text(schema):
            raise SchemaError(f"{subject}: the registry gave id {given}, not {id_of_text(schema)}")
        return given

    async def compatibility_of(self, subject: str) -> str | None:
        """Return the rule that a new schema of this subject must keep; None: it has none of its own."""
        found = await self._ask("GET", f"/config/{subject}", absent={NO_SUBJECT, NO_RULE})
        return None if found is None else self._text(found, "compatibilityLevel")

    async def set_compatibility(self, subject: str, compatibility: str) -> None:
        """Set the rule that a new schema of this subject must keep."""
        await self._ask("PUT", f"/config/{subject}", {"compatibility": compatibility})

    async def import_texts(self, texts: Mapping[int, str]) -> None:
        """Put schemas into the registry under these ids. Raises SchemaError where that cannot be.

        What the registry has stays. It says nothing when an id or a text is taken, so each is asked for.
        """
        if not self._url.endswith(CONFLUENT_API):
            raise SchemaError(
                f"{self._url} does not end in {CONFLUENT_API} as Apicurio's does, so schemas cannot be put "
                "in under their ids. Import schemas/registered by the registry's own means, then apply again"
            )
        url = self._url.removesuffix(CONFLUENT_API) + IMPORT_API
        headers, parameters = {"Content-Type": "application/zip"}, {"requireEmptyRegistry": "false"}
        await self._send("POST", url, headers=headers, params=parameters, content=_export_of(texts))
        for identity, text in texts.items():
            try:
                is_there = one_line(await self.schema_by_id(identity)) == text
            except SchemaNotRegistered:
                is_there = False
            if not is_there:
                raise SchemaError(
                    f"the registry did not take schema {identity}: it has this text under another id, or "
                    "another text under this id. Give this installation an empty registry, then apply again"
                )

    async def check(self) -> None:
        """Raise RegistryUnavailable unless the registry answers; for readiness."""
        await self._send("GET", f"{self._url}/schemas/types")

    async def wait_until_ready(self, *, deadline: float) -> None:
        """Return when the registry answers; raise TimeoutError after `deadline` seconds."""
        async with asyncio.timeout(deadline):
            while True:
                try:
                    await self._send("GET", f"{self._url}/subjects")
                except RegistryUnavailable:
                    await asyncio.sleep(0.1)
                else:
                    return

    async def _ask(
        self, method: str, path: str, body: object = None, *, absent: Container[int] = ()
    ) -> dict[str, object] | None:
        """Return what the registry answers; None when it says by such a code that there is none."""
        response = await self._send(method, f"{self._url}{path}", absent=absent, json=body)
        if not response.is_success:
            return None
        return _object_of(response)

    async def _send(
        self, method: str, url: str, *, absent: Container[int] = (), **request: object
    ) -> httpx.Response:
        try:
            response = await self._client.request(method, url, **request)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self._url} does not answer: {error!r}") from error
        status = response.status_code
        if response.is_success or _object_of(response).get("error_code") in absent:
            return response
        if status in {CONFLICT, UNPROCESSABLE}:
            raise SchemaError(f"schema registry {url} refuses: {response.text}")
        advice = ADVICE.get(status, response.text[:200])
        raise RegistryUnavailable(f"schema registry {url} answered {status}; {advice}")

    def _text(self, found: dict[str, object] | None, name: str) -> str:
        if found is None or not isinstance(part := found.get(name), str):
            raise self._no_registry(name)
        return part

    def _number(self, found: dict[str, object] | None, name: str) -> int:
        if found is None or not isinstance(part := found.get(name), int):
            raise self._no_registry(name)
        return part

    def _no_registry(self, missing: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"schema registry {self._url} answered without {missing!r}; is it one?")


def _object_of(response: httpx.Response) -> dict[str, object]:
    """Return the JSON object of an answer; empty when it is none, such as the page of a proxy."""
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _export_of(texts: Mapping[int, str]) -> bytes:
    """Return an export of Apicurio 3 that holds these texts alone, each under its id."""
    manifest = {
        "systemVersion": "3.0",
        "systemName": "attendance-schemas",
        "exportVersion": "3.0",
        "exportedOn": 0,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.Manifest.json", json.dumps(manifest))
        for identity, text in texts.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            entry = {"contentId": identity, "contentHash": digest, "canonicalHash": digest}
            entry |= {"artifactType": "AVRO", "contentType": "application/json"}
            archive.writestr(f"content/{digest}.Content.json", json.dumps(entry))
            archive.writestr(f"content/{digest}.Content.data", text)
    return buffer.getvalue()
