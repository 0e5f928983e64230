"""What a stack keeps between starts: its ports, its secrets and its shape, in one private file."""

import json
import secrets
import uuid
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import PASSABLE_FOLDER, write_private
from local_stack.running.ports import pick_ports

FORMAT = 2
SINGLE_BROKER, CLUSTER = 1, 3
PORT_NAMES = (
    "registry",
    "postgres",
    "postgres-replica",
    "postgres-standby",
    "valkey",
    "s3",
    "s3-grpc",
    "s3-filer",
    "s3-filer-grpc",
    "s3-master",
    "s3-master-grpc",
    "s3-volume",
    "s3-volume-grpc",
    "toxiproxy",
    "s3-tls",
    "registry-proxy",
    "postgres-proxy",
    "postgres-replica-proxy",
    "valkey-proxy",
    "s3-proxy",
)
SECRET_NAMES = (
    "postgres",
    "attendance_owner",
    "attendance_projector",
    "attendance_projector_feed",
    "query_api",
    "replicator",
    "valkey",
    "s3-access",
    "s3-secret",
)


@dataclass(frozen=True)
class StackState:
    """The kept facts of one stack."""

    brokers: int
    replica: bool
    cluster_id: str
    ports: dict[str, int]
    # One Kafka directory id per broker: the first quorum is named by them.
    directory_ids: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    # Servers ask for certificates, and Kafka for permissions.
    secure: bool = False
    format: int = FORMAT

    @property
    def broker_ids(self) -> range:
        """Node ids, from 1."""
        return range(1, self.brokers + 1)


def kafka_uuid() -> str:
    """Make an id in Kafka's own form: a random UUID in 22 characters, not starting with a dash."""
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def broker_port_names(brokers: int) -> list[str]:
    """Name the ports of each broker: for clients, the quorum, clients of a proxy, and that proxy itself."""
    roles = ("", "-controller", "-proxied", "-proxy")
    return [f"kafka-{node}{role}" for node in range(1, brokers + 1) for role in roles]


def state_path(folder: Path) -> Path:
    """Return the path of the state file."""
    return folder / "state.json"


def load_state(folder: Path) -> StackState | None:
    """Read the state, or None when the folder holds no stack yet."""
    try:
        raw = json.loads(state_path(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if raw.get("format") != FORMAT:
        raise LocalStackError(
            f"{folder} was made by another version of local-stack; delete it and start again."
        )
    return StackState(**raw)


def save_state(folder: Path, state: StackState) -> None:
    """Write the state, mode 0600."""
    write_private(state_path(folder), json.dumps(asdict(state), indent=2) + "\n")


def open_state(
    folder: Path, cache: Path, *, brokers: int | None, replica: bool | None, secure: bool | None = None
) -> StackState:
    """Load the state or make it at the first start; None keeps what the stack has.

    Raises:
        LocalStackError: another number of brokers is asked for than the data was made with.
    """
    state = load_state(folder)
    if state is None:
        made = _make_state(folder, cache, brokers or SINGLE_BROKER, replica=bool(replica))
        state = replace(made, secure=bool(secure))
        save_state(folder, state)
        return state
    if brokers is not None and brokers != state.brokers:
        raise LocalStackError(
            f"The stack in {folder} has {state.brokers} broker(s), not {brokers}; use another --dir."
        )
    wanted = replace(state, ports={**_missing_ports(state, folder, cache), **state.ports})
    if replica is not None:
        wanted = replace(wanted, replica=replica)
    if secure is not None:
        wanted = replace(wanted, secure=secure)
    if wanted != state:
        save_state(folder, wanted)
    return wanted


def _missing_ports(state: StackState, folder: Path, cache: Path) -> dict[str, int]:
    """Pick the ports that a stack of an earlier version does not have yet."""
    names = [*broker_port_names(state.brokers), *PORT_NAMES]
    missing = [name for name in names if name not in state.ports]
    return pick_ports(missing, folder=folder, cache=cache) if missing else {}


def _make_state(folder: Path, cache: Path, brokers: int, *, replica: bool) -> StackState:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(PASSABLE_FOLDER)
    names = [*broker_port_names(brokers), *PORT_NAMES]
    return StackState(
        brokers=brokers,
        replica=replica,
        cluster_id=kafka_uuid(),
        ports=pick_ports(names, folder=folder, cache=cache),
        directory_ids={str(node): kafka_uuid() for node in range(1, brokers + 1)},
        secrets={name: secrets.token_hex(16) for name in SECRET_NAMES},
    )
