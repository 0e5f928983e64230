"""What a secured installation promises: certificates say who may write to Kafka, and are renewed under load.

1. query-api reaches Kafka, with its own certificate, and every topic refuses what it writes.
2. Certificates that end soon are renewed by `secrets`; services show the new ones without a restart.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping

from attendance_containers.compose.site import (
    ANSWERED_WITHIN_SECONDS,
    FLOWING_COUNT,
    WELL_WITHIN_SECONDS,
    Site,
)
from attendance_containers.errors import PlayFailed
from attendance_deploy.access.permissions import read_permissions
from attendance_schemas.topics import TOPICS
from chaos.traffic import Traffic

LOOK_SECONDS, CONNECTS_WITHIN_SECONDS = 1.0, 5.0
# Prints the topics that took something.
WRITES = """
import asyncio, os, ssl
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
async def main():
    own = os.environ
    context = ssl.create_default_context(cafile=own["KAFKA_SSL_CA_FILE"])
    context.load_cert_chain(own["KAFKA_SSL_CERT_FILE"], own["KAFKA_SSL_KEY_FILE"])
    producer = AIOKafkaProducer(
        bootstrap_servers=own["KAFKA_BOOTSTRAP_SERVERS"], security_protocol="SSL", ssl_context=context
    )
    await producer.start()
    try:
        for topic in {topics}:
            try:
                await producer.send_and_wait(topic, b"x")
            except TopicAuthorizationFailedError:
                continue
            print(topic)
    finally:
        await producer.stop()
asyncio.run(main())
"""
# In place of certificates that were made two months ago: their last ten days.
AGED = """
from datetime import timedelta
from pathlib import Path
from attendance_deploy.prepare import certificates
from attendance_deploy.prepare.secret_files import SecretFiles
root, names = Path("/secrets"), {names}
for name in names:
    (root / name / certificates.CERT).unlink()
certificates.LASTS = timedelta(days=10)
certificates.prepare_certificates(SecretFiles(root), names)
"""


async def hold_to_certificates(site: Site, traffic: Traffic) -> None:
    """Take the steps of the module. Raises PlayFailed when a promise is broken."""
    taken = (
        await asyncio.to_thread(site.compose.run_in, "query-api", WRITES.format(topics=list(TOPICS)))
    ).split()
    if taken:
        raise PlayFailed(f"query-api wrote into {', '.join(taken)}")
    site.say(f"query-api tried to write into {len(TOPICS)} topics of Kafka: all refused")
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    before = await asyncio.to_thread(_restarts, site)
    names = list(_ports(site))
    first = await asyncio.to_thread(_shown, site)
    once = ("run", "--rm", "--no-deps", "-T")
    aged = (*once, "--entrypoint", "python", "secrets", "-c", AGED.format(names=names))
    await asyncio.to_thread(site.compose, *aged)
    old = await asyncio.to_thread(_wait_for_others, site, first)
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    said = await asyncio.to_thread(site.compose, *once, "secrets")
    if missing := [name for name in names if f"changed {name}/tls/tls.crt" not in said]:
        raise PlayFailed(f"secrets did not renew the certificates of {', '.join(missing)}:\n{said}")
    await asyncio.to_thread(_wait_for_others, site, old)
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    if await asyncio.to_thread(_restarts, site) != before:
        raise PlayFailed("a container was started again for a certificate")
    site.say(f"certificates of {len(names)} parties were renewed, and shown without a restart")


def _ports(site: Site) -> Mapping[str, int]:
    """Return the services, and the gateway, with their ports."""
    running = {each.party for each in site.compose.hosts()}
    found = read_permissions().identities.items()
    return {name: party.secure_port for name, party in found if name in running and party.secure_port}


def _restarts(site: Site) -> dict[str, tuple[int, object]]:
    return {name: (each.restarts, each.started_at) for name, each in site.compose.containers().items()}


def _shown(site: Site) -> dict[str, str]:
    """Return the certificate that each service shows now."""
    ports = _ports(site)
    return {
        host.party: _certificate(host.addresses, ports[host.party])
        for host in site.compose.hosts()
        if host.party in ports
    }


def _certificate(addresses: tuple[str, ...], port: int) -> str:
    for address in addresses:
        try:
            return ssl.get_server_certificate((address, port), timeout=CONNECTS_WITHIN_SECONDS)
        except OSError:
            continue  # it listens on another of its networks
    raise PlayFailed(f"nobody shows a certificate at {', '.join(addresses)}, port {port}")


def _wait_for_others(site: Site, before: Mapping[str, str]) -> dict[str, str]:
    """Return the certificates that are shown once all of them are others than before. Raises PlayFailed."""
    until = time.monotonic() + WELL_WITHIN_SECONDS
    while True:
        shown = _shown(site)
        same = [name for name, certificate in shown.items() if certificate == before[name]]
        if not same:
            return shown
        if time.monotonic() > until:
            raise PlayFailed(f"{', '.join(same)} still show the certificate from before")
        time.sleep(LOOK_SECONDS)
