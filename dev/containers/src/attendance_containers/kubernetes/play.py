"""Plays the charts on a cluster: harm, upgrades that fail and succeed, every connection tried, under load.

1. Start the cluster, the servers, and the chart; see Pod Security and the policies enforced.
2. Record a plant through the gateway, and let its devices send.
3. Try every port of every pod from every pod.
4. Kill each pod once.
5. Upgrade to a version whose migration fails: the old pods serve, no request fails. Upgrade to the next one,
   and roll back.
6. Hear the auditor, who knows what was sent and asks the query API alone.
"""

import asyncio
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from attendance_containers.errors import CommandFailed, PlayFailed
from attendance_containers.judge import judge
from attendance_containers.kubernetes.archive import BROKEN, NEXT
from attendance_containers.kubernetes.matrix import running_pods, try_every_way
from attendance_containers.kubernetes.scene import ONLOOKERS, URL, chart, find_gateway, traffic
from attendance_containers.kubernetes.site import NAMESPACE, Site
from attendance_deploy.access.permissions import read_permissions
from chaos.traffic import Traffic

ANSWERED_WITHIN_SECONDS, WELL_WITHIN_SECONDS = 180.0, 240.0
# Check-ins that are answered before and after each harm, so that it meets load and leaves it flowing.
FLOWING_COUNT = 10
LOOK_SECONDS = 0.25
# Of one token: the gateway grants 10 a second.
ASK_SECONDS = 0.12


@dataclass(slots=True)
class Figures:
    """What the last line says."""

    pods: int = 0
    captures: int = 0
    lost: int = 0
    double_counted: int = 0
    tried: int = 0
    right: int = 0

    def __str__(self) -> str:
        return (
            f"pods={self.pods} captures={self.captures} lost={self.lost} "
            f"double_counted={self.double_counted} matrix={self.right}/{self.tried}"
        )


@dataclass(slots=True)
class Asker:
    """Asks the query API through the gateway all the time, and counts what is not answered with 200."""

    trust: ssl.SSLContext
    token: str
    asked: int = 0
    failed: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask until the end of the block."""
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _ask(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(
            base_url=URL, headers=headers, timeout=10, verify=self.trust, trust_env=False
        ) as client:
            while True:
                self.asked += 1
                try:
                    status = (await client.get("/v1/organisation")).status_code
                    problem = None if status == httpx.codes.OK else f"{status}"
                except httpx.TransportError as error:
                    problem = repr(error)
                if problem is not None:
                    self.failed.append(problem)
                await asyncio.sleep(ASK_SECONDS)


async def harm(site: Site, seed: int) -> Figures:
    """Take the steps from the second on. Raises PlayFailed when a promise is broken."""
    figures, journal = Figures(), site.cluster.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    find_gateway(site)
    async with traffic(site, seed, journal) as flowing:
        await asyncio.to_thread(_try_every_way, site, figures)
        await _kill_each(site, flowing, figures)
        await _upgrade(site, flowing)
        await flowing.pause(ANSWERED_WITHIN_SECONDS)
        token = site.sign(flowing.plant.org_id)("auditor", "auditor")
        variables = {"NO_PROXY": "*", "SSL_CERT_FILE": str(site.authority)}
        await judge(figures, journal, url=URL, token=token, say=site.say, **variables)
    return figures


def _try_every_way(site: Site, figures: Figures) -> None:
    pods = running_pods(site.cluster, NAMESPACE)
    matrix = try_every_way(pods, read_permissions(site.root / "deploy/access.yaml"))
    figures.tried, figures.right = matrix.tried, matrix.tried - len(matrix.wrong)
    site.say(
        f"{len(pods)} pods tried {matrix.ports} ports of each other: {matrix.open} of {matrix.tried} ways are"
        f" open, {len(matrix.wrong)} are not as deploy/access.yaml says"
    )
    if matrix.wrong:
        raise PlayFailed("\n".join(matrix.wrong))


async def _kill_each(site: Site, flowing: Traffic, figures: Figures) -> None:
    """Kill the processes of each pod once, as a node that runs out of memory does."""
    victims = [pod for pod in running_pods(site.cluster, NAMESPACE) if pod.party not in ONLOOKERS]
    for victim in victims:
        await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        began = time.monotonic()
        os.kill(victim.process, signal.SIGKILL)
        await asyncio.to_thread(_wait_until_well, site, victim.name)
        site.say(f"killed {victim.party}: ready again after {time.monotonic() - began:.1f} s")
        figures.pods += 1
    await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)


def _wait_until_well(site: Site, restarted: str) -> None:
    """Wait until a pod's container was started again, and all pods are ready."""
    until = time.monotonic() + WELL_WITHIN_SECONDS
    while True:
        site.cluster.processes.check()
        pods = site.cluster.objects("pods", "-n", NAMESPACE, "--field-selector=status.phase=Running")
        counts = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0] for pod in pods}
        again = counts.get(restarted, {}).get("restartCount", 0) > 0
        if again and all(each["ready"] for each in counts.values()):
            return
        if time.monotonic() > until:
            late = [name for name, each in counts.items() if not each["ready"]]
            raise PlayFailed(f"not well {WELL_WITHIN_SECONDS:.0f} s after {restarted} was killed: {late}")
        time.sleep(LOOK_SECONDS)


async def _upgrade(site: Site, flowing: Traffic) -> None:
    organisation = flowing.plant.org_id
    asker = Asker(site.trust(), site.sign(organisation)("auditor", "asker"))
    async with asker.asking():
        await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        before = await asyncio.to_thread(_images, site)
        try:
            await asyncio.to_thread(chart, site, "upgrade", BROKEN)
        except CommandFailed as error:
            site.say(f"a migration that fails: helm says {str(error).strip().splitlines()[-1][:160]}")
        else:
            raise PlayFailed("an upgrade whose migration fails was taken for done")
        await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        if await asyncio.to_thread(_images, site) != before:
            raise PlayFailed("the failed upgrade replaced pods")
        if asker.failed:
            raise PlayFailed(f"{len(asker.failed)} of {asker.asked} requests failed: {asker.failed[:5]}")
        site.say(f"the old pods serve on: 0 of {asker.asked} requests failed")
        await asyncio.to_thread(chart, site, "upgrade", NEXT)
        await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        site.say(f"the next upgrade needed no hand: {len(asker.failed)} of {asker.asked} requests failed")
        command = ("rollback", "attendance", "--namespace", NAMESPACE, "--wait", "--timeout", "6m")
        await asyncio.to_thread(site.cluster.helm, *command, "1")
        await flowing.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
    site.say(f"rolled back: {len(asker.failed)} of {asker.asked} requests failed in all")
    if asker.failed:
        raise PlayFailed(f"{len(asker.failed)} of {asker.asked} requests failed: {asker.failed[:5]}")


def _images(site: Site) -> set[str]:
    pods = site.cluster.objects("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/part-of=attendance")
    return {
        f"{pod['metadata']['name']} {each['image']}"
        for pod in pods
        for each in pod["spec"]["containers"]
        if pod["metadata"]["labels"].get("pod-template-hash")
    }
