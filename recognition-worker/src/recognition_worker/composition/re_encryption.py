"""The command `re-encrypt`: templates sealed and keys wrapped as the settings say."""

from datetime import UTC, datetime

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from recognition_worker.adapters.topics.kafka_match_publisher import WRITTEN_TOPICS
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.adapters.topics.template_rewriting import TemplateRewriting
from recognition_worker.settings import Settings
from service_kit.kafka.producer import RecordProducer


async def re_encrypt(settings: Settings, *, forget_unreadable: bool) -> str:
    """Rewrite what needs it, and say what was done."""
    kafka, ring = settings.kafka, settings.template_encryption.ring
    schema_registry = SchemaRegistry(settings.schema_registry.url, settings.schema_registry.tls())
    async with schema_registry as schemas, RecordProducer(kafka, forget_late=True) as producer:
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await codec.prepare(WRITTEN_TOPICS)
        templates = KafkaTemplates(kafka, codec, producer, ring, now=lambda: datetime.now(UTC))
        rewriting = TemplateRewriting(kafka, codec, templates)
        try:
            done = await rewriting.run(forget_unreadable=forget_unreadable)
        finally:
            await rewriting.stop()
    return (
        f"templates sealed: {done.sealed}; keys wrapped anew: {done.rewrapped}; "
        f"keys forgotten: {done.keys_forgotten}; templates forgotten: {done.templates_forgotten}"
    )
