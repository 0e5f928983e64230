"""The hardened consumer overrides internals of one version of Faust."""

import inspect
import ssl
from importlib.metadata import version
from pathlib import Path

from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, credentials_to_aiokafka_auth

from recognition_worker.adapters.faust import faust_app
from recognition_worker.adapters.faust.faust_hardened_consumer import FAUST_VERSION, HardenedConsumer
from service_kit.settings import KafkaSettings


def test_faust_is_the_version_that_the_consumer_was_mended_for() -> None:
    assert version("faust-streaming") == FAUST_VERSION, (
        "read faust/transport/consumer.py again, run `make chaos`, then move FAUST_VERSION: decision 0001"
    )


def test_every_overridden_method_still_exists() -> None:
    for name in (
        "getmany",
        "perform_seek",
        "resume_flow",
        "on_partitions_revoked",
        "on_stop",
        "ack",
        "verify_event_path",
        "_filter_tps_with_pending_acks",
        "_new_offset",
        "_should_commit",
        "_commit",
        "_new_consumer_thread",
    ):
        assert name in vars(HardenedConsumer), name
        stock = getattr(BaseConsumer, name, None) or getattr(HardenedConsumer.__mro__[1], name)
        parameters = list(inspect.signature(stock).parameters)
        assert list(inspect.signature(vars(HardenedConsumer)[name]).parameters) == parameters, name
    assert hasattr(AIOKafkaConsumerThread, "_create_worker_consumer")


def test_only_one_room_knows_faust() -> None:
    room = Path(inspect.getfile(faust_app)).parent
    package = room.parents[1]
    assert (package / "adapters" / "faust") == room
    for file in package.rglob("*.py"):
        imports = [line for line in file.read_text().splitlines() if line.startswith(("import ", "from "))]
        about_faust = [line for line in imports if line.split()[1].split(".")[0] in {"faust", "mode"}]
        assert not about_faust or file.parent == room, file


def test_security_settings_reach_the_client() -> None:
    plain = KafkaSettings(bootstrap_servers="a:1,b:2")
    assert "broker_credentials" not in faust_app._options(plain)
    assert faust_app._options(plain)["broker"] == ["kafka://a:1", "kafka://b:2"]
    sasl = KafkaSettings(
        bootstrap_servers="a:1",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="worker",
        sasl_password="secret",
    )
    options = credentials_to_aiokafka_auth(faust_app._options(sasl)["broker_credentials"])
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("worker", "secret")
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    tls = KafkaSettings(bootstrap_servers="a:1", security_protocol="SSL")
    options = credentials_to_aiokafka_auth(faust_app._options(tls)["broker_credentials"])
    assert options["security_protocol"] == "SSL"
