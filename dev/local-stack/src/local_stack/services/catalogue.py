"""Which servers a stack consists of, and which of them start only when they are asked for."""

from pathlib import Path

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.running.state import StackState
from local_stack.services import Service
from local_stack.services.kafka import KafkaBroker
from local_stack.services.object_store import ObjectStore
from local_stack.services.postgres import Postgres, PostgresReplica, PostgresStandby
from local_stack.services.registry import SchemaRegistry
from local_stack.services.toxiproxy import Toxiproxy
from local_stack.services.valkey import Valkey

ON_DEMAND = frozenset({Toxiproxy.name, PostgresStandby.name})


def services(state: StackState, folder: Path, cache: ArtifactCache, sockets: Path) -> list[Service]:
    """Build the servers of the stack in the folder; Unix sockets go where their paths are short."""
    found: list[Service] = [
        KafkaBroker(node, state=state, folder=folder, cache=cache) for node in state.broker_ids
    ]
    found += [
        SchemaRegistry(state=state, folder=folder, cache=cache),
        Postgres(state=state, folder=folder, cache=cache),
        ObjectStore(state=state, folder=folder, sockets=sockets),
        Valkey(state=state, folder=folder),
        Toxiproxy(state=state, folder=folder, cache=cache.folder),
        PostgresStandby(state=state, folder=folder, cache=cache),
    ]
    if state.replica:
        found.append(PostgresReplica(state=state, folder=folder, cache=cache))
    return found
