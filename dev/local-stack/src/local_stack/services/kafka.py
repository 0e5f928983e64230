"""Kafka in KRaft mode: one node, or three that form a quorum; every node is broker and controller."""

import shutil
import ssl
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.errors import NotReady
from local_stack.files import write_private
from local_stack.keys.certificates import Certificate, certificate_of
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import SINGLE_BROKER, StackState
from local_stack.services import Command, StopRule
from local_stack.services.java import java
from local_stack.services.tools import run_tool

HEAP_MEGABYTES, CLUSTER_HEAP_MEGABYTES = 512, 384
CHECK_MILLISECONDS = 3000
CLIENTS, PROXIED, CONTROLLER = "CLIENTS", "PROXIED", "CONTROLLER"
# As whom the brokers of a secured stack speak to each other; alone a super user.
BROKER = "kafka"

LOGGING = """\
status = WARN
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss,SSS'Z'}{UTC} %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
# Prints every setting, several times.
logger.settings.name = org.apache.kafka.common.config.AbstractConfig
logger.settings.level = WARN
logger.server.name = kafka.server.KafkaConfig
logger.server.level = WARN
"""


class KafkaBroker:
    """One node of the Kafka cluster."""

    after: tuple[str, ...] = ()
    stop_rule = StopRule(seconds=30.0)

    def __init__(self, node: int, *, state: StackState, folder: Path, cache: ArtifactCache) -> None:
        self.name = f"kafka-{node}" if state.brokers > SINGLE_BROKER else "kafka"
        self.port = state.ports[f"kafka-{node}"]
        self.ports = (
            self.port,
            state.ports[f"kafka-{node}-controller"],
            state.ports[f"kafka-{node}-proxied"],
        )
        self._node = node
        self._state = state
        self._stack = folder
        self._folder = folder / self.name
        self._cache = cache

    async def prepare(self) -> None:
        """Write the configuration, and format the data folder at the first start."""
        data = self._folder / "data"
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.properties").write_text(LOGGING)
        if self._state.secure:
            write_private(self._keystore, self._identity.key.read_text() + self._identity.cert.read_text())
        (self._folder / "server.properties").write_text(self._properties(data))
        if data.exists():
            return
        # A format that is cut short leaves a folder that neither formats nor starts: rename when done.
        scratch = self._folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        (self._folder / "format.properties").write_text(self._properties(scratch))
        await run_tool(
            self._java(
                "kafka.tools.StorageTool",
                *("format", "--cluster-id", self._state.cluster_id, "--config", "format.properties"),
                *("--initial-controllers", self._voters()),
            )
        )
        scratch.rename(data)

    def command(self) -> Command:
        """Say what to start."""
        return self._java("kafka.Kafka", "server.properties")

    async def check(self) -> None:
        """Ask this broker for the cluster; it is ready when it is an unfenced member."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=f"{LOOPBACK}:{self.port}",
            request_timeout_ms=CHECK_MILLISECONDS,
            **self._client_options(),
        )
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
        except (KafkaError, OSError) as error:
            raise NotReady(f"no metadata from the broker: {error}") from error
        finally:
            await admin.close()
        if self._node not in {broker["node_id"] for broker in cluster["brokers"]}:
            raise NotReady("the controller has not admitted the broker")

    async def finish(self) -> None:
        """Leave the cluster empty: topics belong to the services."""

    @property
    def _identity(self) -> Certificate:
        return certificate_of(self._stack, BROKER)

    @property
    def _keystore(self) -> Path:
        return self._folder / "keystore.pem"

    def _client_options(self) -> dict[str, Any]:
        if not self._state.secure:
            return {}
        context = ssl.create_default_context(cafile=self._identity.ca)
        context.load_cert_chain(self._identity.cert, self._identity.key)
        return {"security_protocol": "SSL", "ssl_context": context}

    def _java(self, main: str, *arguments: str) -> Command:
        heap = HEAP_MEGABYTES if self._state.brokers == SINGLE_BROKER else CLUSTER_HEAP_MEGABYTES
        return Command(
            argv=(*java(heap), "-Dlog4j2.configurationFile=log4j2.properties", main, *arguments),
            folder=self._folder,
            environ={"CLASSPATH": self._cache.kafka_class_path},
        )

    def _controller(self, node: int) -> str:
        return f"{LOOPBACK}:{self._state.ports[f'kafka-{node}-controller']}"

    def _port(self, role: str) -> int:
        return self._state.ports[f"kafka-{self._node}{role}"]

    def _voters(self) -> str:
        ids = self._state.directory_ids
        return ",".join(
            f"{node}@{self._controller(node)}:{ids[str(node)]}" for node in self._state.broker_ids
        )

    def _properties(self, data: Path) -> str:
        cluster = self._state.brokers > SINGLE_BROKER
        replication, in_sync = (3, 2) if cluster else (1, 1)
        settings = {
            "process.roles": "broker,controller",
            "node.id": self._node,
            "listeners": f"{CLIENTS}://{LOOPBACK}:{self.port},{PROXIED}://{LOOPBACK}:{self._port('-proxied')},"
            f"{CONTROLLER}://{self._controller(self._node)}",
            # Clients go on where the broker says: a client that came through the proxy is kept on it.
            "advertised.listeners": f"{CLIENTS}://{LOOPBACK}:{self.port},{PROXIED}://{LOOPBACK}:{self._port('-proxy')}",
            "listener.security.protocol.map": ",".join(
                f"{listener}:{'SSL' if self._state.secure else 'PLAINTEXT'}"
                for listener in (CLIENTS, PROXIED, CONTROLLER)
            ),
            "inter.broker.listener.name": CLIENTS,
            "controller.listener.names": CONTROLLER,
            "controller.quorum.bootstrap.servers": ",".join(map(self._controller, self._state.broker_ids)),
            "log.dirs": data,
            "auto.create.topics.enable": "false",
            "default.replication.factor": replication,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replication,
            "share.coordinator.state.topic.min.isr": in_sync,
            # As in production: 60 days, as long as captures are kept.
            "offsets.retention.minutes": 60 * 24 * 60,
            # Defaults of 50 each cost seconds at the first use and hold nothing here.
            "offsets.topic.num.partitions": 10,
            "transaction.state.log.num.partitions": 5,
            "share.coordinator.state.topic.num.partitions": 5,
            # Tests start consumers one after the other; the default waits 3 s for more.
            "group.initial.rebalance.delay.ms": 100,
            # The default takes 128 MB of the small heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }
        if self._state.secure:
            settings |= self._security()
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _security(self) -> dict[str, object]:
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._identity.ca,
            "ssl.client.auth": "required",
            # The principal of a certificate is its CN alone.
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{BROKER}",
        }
