"""What is seen of a worker from outside: its metrics, and whether it lives and is ready."""

import asyncio
from functools import partial

from prometheus_client import CollectorRegistry

from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.registry import SchemaRegistry
from recognition_worker.adapters.faust.faust_app import FaustRunner
from recognition_worker.adapters.topics.kafka_directory_view import KafkaDirectoryView
from recognition_worker.adapters.topics.kafka_person_keys import KafkaPersonKeys
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.rollout.keep_lanes import KeepLanes
from service_kit.errors import TransientFailure
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health, ProgressWatchdog
from service_kit.state.object_store import ObjectStore

LATE = "nothing is lost; captures and enrolments are decided when it is back, and kiosks show a delay"
NEWER = "what runs goes on; a worker that starts now waits for it"


class Observation:
    """One registry and one health of a worker. `started` is set when records may come."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = RecognitionMetrics(self.registry)
        self.delivery = DeliveryMetrics(self.registry)
        self.health = Health()
        self.started = asyncio.Event()
        self.waits_for = ""
        self.health.add_ready("startup", self._check_started)

    def wait_for(self, what: str) -> None:
        """Note what the start waits for; nothing for now when it is empty."""
        self.waits_for = what

    def need(
        self, producer: RecordProducer, images: ObjectStore, bucket: str, schemas: SchemaRegistry
    ) -> None:
        """Be ready only while what captures need answers."""

        async def check_images() -> None:
            await images.check(bucket)

        self.health.need(Dependency("kafka", producer.check, meanwhile=LATE))
        self.health.need(Dependency("object-store", check_images, meanwhile=LATE))
        self.health.use(
            Dependency("schema-registry", schemas.check, away=RegistryUnavailable, meanwhile=NEWER)
        )

    def observe(self, keys: KafkaPersonKeys, directory: KafkaDirectoryView, lanes: KeepLanes) -> None:
        """Show what is followed: the keys of people, the directory, the models with their galleries."""
        self.health.add_ready("person-keys", keys.check)
        self.health.add_ready("directory", directory.check)
        self.health.add_ready("gallery", lanes.check_gallery)
        self.health.add_ready("rollout", lanes.check_rollout)
        self.health.add_note("models", lanes.describe)

    def observe_records(self, runner: FaustRunner, watchdog: ProgressWatchdog, topic_prefix: str) -> None:
        """Show how records get on: progress, commits, membership of the group, lag."""
        self.health.add_live("progress", watchdog.check)
        self.health.add_live("commits", runner.check_commits)
        self.health.add_live("membership", runner.check_membership)
        self.health.add_ready("consumer-group", runner.check)
        for topic in runner.topics:
            name = topic.removeprefix(topic_prefix)
            self.metrics.lag.labels(name).set_function(partial(runner.lag_of, topic))
        self.started.set()

    async def _check_started(self) -> None:
        if not self.started.is_set():
            raise TransientFailure("startup", self.waits_for or "models and gallery are being loaded")
