"""Apicurio as the schema registry, with the Confluent API; subjects live in an H2 file."""

from pathlib import Path

import httpx

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.errors import NotReady
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import StackState
from local_stack.services import Command, StopRule
from local_stack.services.java import java

HEAP_MEGABYTES = 256
CHECK_SECONDS = 5.0


class SchemaRegistry:
    """The schema registry."""

    name = "registry"
    after: tuple[str, ...] = ()
    stop_rule = StopRule()

    def __init__(self, *, state: StackState, folder: Path, cache: ArtifactCache) -> None:
        self._port = state.ports["registry"]
        self.ports = (self._port,)
        self._folder = folder / self.name
        self._cache = cache

    async def prepare(self) -> None:
        """Make the data folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        """Say what to start."""
        return Command(
            argv=(
                *java(HEAP_MEGABYTES),
                f"-Dquarkus.http.host={LOOPBACK}",
                f"-Dquarkus.http.port={self._port}",
                "-Dquarkus.log.console.json=false",
                "-Dapicurio.storage.kind=sql",
                "-Dapicurio.storage.sql.kind=h2",
                f"-Dapicurio.datasource.url=jdbc:h2:file:{self._folder / 'registry'}",
                *("-jar", str(self._cache.registry_jar)),
            ),
            folder=self._folder,
        )

    async def check(self) -> None:
        """List the subjects through the API that the services use."""
        try:
            async with httpx.AsyncClient(timeout=CHECK_SECONDS, trust_env=False) as client:
                answer = await client.get(f"http://{LOOPBACK}:{self._port}/apis/ccompat/v7/subjects")
        except httpx.HTTPError as error:
            raise NotReady(f"no answer: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"GET /subjects answered {answer.status_code}")

    async def finish(self) -> None:
        """Leave the registry empty: schemas belong to `attendance_schemas`."""
