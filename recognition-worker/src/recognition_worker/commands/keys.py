"""The commands `new-key` and `re-encrypt`."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaNotRegistered
from attendance_schemas.registry import SchemaRegistry
from recognition_worker.adapters.topics.kafka_match_publisher import WRITTEN_TOPICS
from recognition_worker.adapters.topics.kafka_templates import KafkaTemplates
from recognition_worker.adapters.topics.template_rewriting import TemplateRewriting
from recognition_worker.errors import KeysRefused
from recognition_worker.settings import Settings
from service_kit.errors import SettingsError, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.observing.logs import configure_logging
from service_kit.state.envelope import InvalidKeys, new_key

SERVICE = "recognition-worker"


def add_key_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the parser."""
    new = commands.add_parser("new-key", help="make a key-encryption key and print it")
    new.add_argument("--id", default=None, help="its name (default: today's date)")
    new.set_defaults(execute=_new_key)
    again = commands.add_parser(
        "re-encrypt",
        help="seal the templates of 0.1.0, and wrap all keys with the first key-encryption key",
    )
    again.add_argument(
        "--forget-unreadable",
        action="store_true",
        help="first erase keys, and their templates, that no configured key-encryption key opens",
    )
    again.set_defaults(execute=_re_encrypt)


def _new_key(arguments: argparse.Namespace) -> int:
    try:
        made = new_key(arguments.id or datetime.now(UTC).strftime("%Y-%m-%d"))
    except InvalidKeys as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return 2
    sys.stdout.write(f"TEMPLATE_ENCRYPTION_KEYS={made}\n")
    return 0


def _re_encrypt(arguments: argparse.Namespace) -> int:
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return 2
    configure_logging(SERVICE, settings.log_level, settings.log_json)
    try:
        done = asyncio.run(_rewrite(settings, forget_unreadable=arguments.forget_unreadable))
    except KeysRefused as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return 2
    except (TransientFailure, RegistryUnavailable, SchemaNotRegistered) as error:
        sys.stderr.write(f"{SERVICE}: {error}; run it again, what is done stays done\n")
        return 1
    sys.stdout.write(done + "\n")
    return 0


async def _rewrite(settings: Settings, *, forget_unreadable: bool) -> str:
    kafka = settings.kafka
    async with SchemaRegistry(settings.schema_registry.url) as schemas, RecordProducer(kafka) as producer:
        codec = Codec(schemas, prefix=kafka.topic_prefix)
        await codec.prepare(WRITTEN_TOPICS)
        templates = KafkaTemplates(
            kafka,
            codec,
            producer,
            settings.template_encryption.ring,
            now=lambda: datetime.now(UTC),
        )
        rewriting = TemplateRewriting(kafka, codec, templates)
        try:
            done = await rewriting.run(forget_unreadable=forget_unreadable)
        finally:
            await rewriting.stop()
    return (
        f"templates sealed: {done.sealed}; keys wrapped anew: {done.rewrapped}; "
        f"keys forgotten: {done.keys_forgotten}; templates forgotten: {done.templates_forgotten}"
    )
