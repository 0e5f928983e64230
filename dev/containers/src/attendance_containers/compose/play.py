"""Plays compose.yaml: traffic while containers are killed, cut off, replaced, gone and back.

1. Bring everything up as an operator would, and measure it at rest.
2. Prepare again: nothing may change.
3. Try every port of every container from every other one.
4. Record a plant through the gateway, and let its devices send.
5. Under load, kill each container once; the engine starts it again.
6. Under load, cut hosts off from those that they need; in a secured installation, renew certificates.
7. Under load, replace one service by an image with another tag.
8. Take the whole down and bring it up again: the volumes keep what was accepted.
9. Hear the auditor, who knows what was sent and asks the query API alone.
"""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from attendance_containers.compose.cut_off import cut_hosts_off
from attendance_containers.compose.matrix import try_connections
from attendance_containers.compose.secured import hold_to_certificates
from attendance_containers.compose.site import (
    ANSWERED_WITHIN_SECONDS,
    FLOWING_COUNT,
    UP,
    WELL_WITHIN_SECONDS,
    Site,
)
from attendance_containers.errors import PlayFailed
from attendance_containers.judge import judge
from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.plant import Plant
from chaos.journal import JournalWriter
from chaos.plant import Calendar, record_plant
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic

LOOK_SECONDS = 1.0
PLANT_ANSWERS_WITHIN_SECONDS = 30.0
UPGRADED, NEXT = "ingest", "next"
# Who sends and asks, and as what.
TOKENS = (
    *(("ops", "demo"), ("hr", "demo"), ("analyst", "demo"), ("hr", "chaos"), ("auditor", "auditor")),
    *(("device", device) for device in ("gate-1", "gate-2", "camera")),
)
NOTHING_TO_DO = ("nothing to do", "the read model is at")


@dataclass(slots=True)
class Figures:
    """What the last line says."""

    captures: int = 0
    lost: int = 0
    double_counted: int = 0
    idle_mb: int = 0
    restarts: int = 0

    def __str__(self) -> str:
        return (
            f"captures={self.captures} lost={self.lost} double_counted={self.double_counted} "
            f"idle_mb={self.idle_mb} restarts={self.restarts}"
        )


def play(site: Site, photos: Path, seed: int) -> Figures:
    """Take the steps of the module. Raises PlayFailed when a promise is broken."""
    figures = Figures(idle_mb=bring_up(site))
    prepare_again(site)
    try_connections(site)
    asyncio.run(_traffic_and_harm(site, photos, seed, figures))
    return figures


def bring_up(site: Site) -> int:
    """Start everything and return the megabytes that it takes at rest."""
    for name, seconds in _start_times(site).items():
        site.say(f"{name}: healthy {seconds:.0f} s after its start")
    used = site.compose.megabytes()
    site.say("at rest: " + ", ".join(f"{name} {megabytes} MB" for name, megabytes in sorted(used.items())))
    return sum(used.values())


def _start_times(site: Site) -> dict[str, float]:
    """Bring it up, and return how long each container took until it was healthy, to a second or two."""
    found: dict[str, float] = {}
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        up = pool.submit(site.compose, *UP)
        while not up.done():
            for name, container in site.compose.containers().items():
                if container.is_well and name not in found:
                    found[name] = (datetime.now(UTC) - container.started_at).total_seconds()
            time.sleep(LOOK_SECONDS)
        up.result()
    site.say(f"up: everything healthy after {time.monotonic() - began:.1f} s")
    return found


def prepare_again(site: Site) -> None:
    """Hold `prepare` to its word. Raises PlayFailed."""
    for service in ("secrets", "prepare"):
        said = site.compose("run", "--rm", "--no-deps", "-T", service).splitlines()
        if changed := [line for line in said if not any(phrase in line for phrase in NOTHING_TO_DO)]:
            raise PlayFailed(f"{service} was run again, and changed something:\n" + "\n".join(changed))
    site.say("secrets and prepare, run again, changed nothing")


async def _traffic_and_harm(site: Site, photos: Path, seed: int, figures: Figures) -> None:
    async with _traffic(site, photos, seed) as traffic:
        everything = list(site.compose.containers())
        for service in everything:
            await _kill(site, traffic, service, everything)
            figures.restarts += 1
        await cut_hosts_off(site, traffic, everything)
        if site.is_secure:
            await hold_to_certificates(site, traffic)
        await _upgrade(site, traffic)
        await _down_and_up(site, traffic)
        await traffic.pause(ANSWERED_WITHIN_SECONDS)
        token = await asyncio.to_thread(traffic.plant.sign, "auditor", "auditor")
        trust = {"SSL_CERT_FILE": str(site.authority())} if site.is_secure else {}
        journal = site.folder / "journal.jsonl"
        await judge(figures, journal, url=site.url, token=token, say=site.say, **trust)


@asynccontextmanager
async def _traffic(site: Site, photos: Path, seed: int) -> AsyncIterator[Traffic]:
    run = f"c{secrets.token_hex(3)}"
    sign = site.sign(f"acme-{run}")
    cast = await asyncio.to_thread(packaged_cast, photos, run)
    async with (
        site.client(PLANT_ANSWERS_WITHIN_SECONDS, is_patient=True) as calm,
        site.client(ANSWER_WITHIN_SECONDS, is_patient=False) as client,
    ):
        await asyncio.to_thread(_get_tokens, sign, run)
        people = await record_plant(Plant(run, calm, site.url, site.url, sign), cast)
        site.say(f"{len(people)} people are recorded, {len(cast.members)} of them with a face")
        plant, rng = Plant(run, client, site.url, site.url, sign), random.Random(seed)
        with JournalWriter(site.folder / "journal.jsonl") as journal:
            traffic = Traffic(
                plant, client, cast, people, journal, Calendar(rng, datetime.now(UTC).date()), rng
            )
            traffic.start()
            try:
                yield traffic
            finally:
                await traffic.stop()


def _get_tokens(sign: Callable[[str, str], str], run: str) -> None:
    """Get every token before it is needed: an operator hands them out once, too."""
    for role, subject in TOKENS:
        sign(role, f"{subject}-{run}" if role == "device" else subject)


async def _kill(site: Site, traffic: Traffic, service: str, everything: list[str]) -> None:
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    before = {name: container.restarts for name, container in site.compose.containers().items()}
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(site.compose.kill, service)
    await asyncio.to_thread(site.compose.wait_until_well, [service], WELL_WITHIN_SECONDS, before)
    await asyncio.to_thread(site.compose.wait_until_well, everything, WELL_WITHIN_SECONDS)
    took = asyncio.get_running_loop().time() - began
    site.say(f"killed {service}: all healthy again after {took:.1f} s")


async def _upgrade(site: Site, traffic: Traffic) -> None:
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    command = ("up", "--detach", "--wait", "--no-deps", UPGRADED)
    await asyncio.to_thread(lambda: site.compose(*command, VERSION=NEXT))
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    site.say(f"{UPGRADED} is another version now")


async def _down_and_up(site: Site, traffic: Traffic) -> None:
    """Devices go on sending all the time, and keep what is not accepted."""
    await asyncio.to_thread(site.compose, "down")
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(site.compose, *UP)
    site.say(f"down and up again: everything healthy after {asyncio.get_running_loop().time() - began:.1f} s")
    await traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
