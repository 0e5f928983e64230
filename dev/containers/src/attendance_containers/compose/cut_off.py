"""Containers as hosts that are cut off from those that they need, under load.

1. PostgreSQL's primary is away: captures go on being accepted and recognised.
2. ingest is cut off from Kafka: it accepts nothing, and nothing is lost; what waited is accepted afterwards.
"""

import asyncio
import time

from attendance_containers.compose.site import (
    ANSWERED_WITHIN_SECONDS,
    FLOWING_COUNT,
    WELL_WITHIN_SECONDS,
    Site,
)
from attendance_containers.errors import PlayFailed
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic

KAFKA = "to-kafka"
RECOGNISED_COUNT = 5
LOOK_SECONDS = 1.0
# Whoever asked before the cut has an answer by now, or has given up.
QUIET_AFTER_SECONDS = ANSWER_WITHIN_SECONDS + 4
# What the worker itself tells Prometheus; where it asks for certificates, it answers to its own.
DECIDED = """
import os, ssl, urllib.request
own, context, scheme = os.environ, None, "http"
if "RECOGNITION_WORKER_SSL_CERT_FILE" in own:
    context, scheme = ssl.create_default_context(cafile=own["RECOGNITION_WORKER_SSL_CLIENT_CA_FILE"]), "https"
    context.load_cert_chain(own["RECOGNITION_WORKER_SSL_CERT_FILE"], own["RECOGNITION_WORKER_SSL_KEY_FILE"])
url = f"{scheme}://{own['RECOGNITION_WORKER_HOST']}:8010/metrics"
lines = urllib.request.urlopen(url, context=context, timeout=10).read().decode().splitlines()
print(sum(float(line.split()[-1]) for line in lines if line.startswith("recognition_captures_total")))
"""


async def cut_hosts_off(site: Site, traffic: Traffic, everything: list[str]) -> None:
    """Take the steps of the module. Raises PlayFailed when a promise is broken."""
    await _without_the_primary(site, traffic, everything)
    await _ingest_without_kafka(site, traffic, everything)


async def _without_the_primary(site: Site, traffic: Traffic, everything: list[str]) -> None:
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    await asyncio.to_thread(site.compose, "stop", "postgres")
    try:
        began, before = time.monotonic(), await asyncio.to_thread(_decided, site)
        await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        while (decided := await asyncio.to_thread(_decided, site) - before) < RECOGNISED_COUNT:
            if time.monotonic() - began > ANSWERED_WITHIN_SECONDS:
                raise PlayFailed(f"{decided:.0f} captures were recognised while PostgreSQL was away")
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await asyncio.to_thread(site.compose, "start", "postgres")
    await asyncio.to_thread(site.compose.wait_until_well, everything, WELL_WITHIN_SECONDS)
    took = time.monotonic() - began
    site.say(f"PostgreSQL was away for {took:.0f} s: {decided:.0f} captures were recognised meanwhile")


def _decided(site: Site) -> float:
    return float(site.compose.run_in("recognition-worker", DECIDED))


async def _ingest_without_kafka(site: Site, traffic: Traffic, everything: list[str]) -> None:
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    await asyncio.to_thread(site.compose.cut_off, "ingest", KAFKA)
    try:
        await asyncio.sleep(QUIET_AFTER_SECONDS)
        answers, tries = traffic.answers, traffic.tries
        await asyncio.sleep(max(0.0, site.cut_seconds - QUIET_AFTER_SECONDS))
        if traffic.answers != answers:
            raise PlayFailed(f"ingest answered {traffic.answers - answers} times without Kafka")
        tries = traffic.tries - tries
    finally:
        await asyncio.to_thread(site.compose.put_back, "ingest", KAFKA)
    began = time.monotonic()
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    await asyncio.to_thread(site.compose.wait_until_well, everything, WELL_WITHIN_SECONDS)
    site.say(
        f"ingest was cut off from Kafka for {site.cut_seconds:.0f} s: it accepted nothing in {tries} tries, "
        f"and all was healthy {time.monotonic() - began:.1f} s later"
    )
