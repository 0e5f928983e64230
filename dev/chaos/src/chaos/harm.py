"""Does the harm of a round to the services, the servers and the links, undoes it, and keeps services running.

A service that ends by itself is started again, as any supervisor would, and counted: none should.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg

from attendance_demo.deployment import Deployment, Service
from attendance_demo.errors import DemoError
from chaos.lost_positions import lose_positions
from chaos.plan import Harm
from chaos.toxics import Toxics
from local_stack.errors import LocalStackError
from local_stack.running.failover import Failover
from local_stack.running.ports import LOOPBACK
from local_stack.running.stack import Stack

READY_WITHIN_SECONDS = 120.0
LOOK_SECONDS = 0.2
LOG_LINES = 15


@dataclass(slots=True)
class Harms:
    """Harm to one deployment. `links`: the proxies' names by the names of the plan."""

    deployment: Deployment
    stack: Stack
    toxics: Toxics
    links: dict[str, str]
    ended: list[str] = field(default_factory=list)
    lacked: list[int] = field(default_factory=list)
    _meant: set[str] = field(default_factory=set)
    _servers: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def do(self, harms: Sequence[Harm]) -> None:
        """Do all at their times, undo each when it is over, and wait until every service is ready.

        What does not come back is noted with what ended by itself.
        """
        kinds: dict[str, Callable[[Harm], Awaitable[None]]] = {
            "kill": self._kill,
            "link": self._link,
            "server": self._server,
            "rebalance": self._rebalance,
            "registry": self._registry,
            "positions": self._positions,
            "failover": self._failover,
        }

        async def one(harm: Harm) -> None:
            await asyncio.sleep(harm.starts_after)
            # The same thing twice at a time would undo the first one early.
            async with self._servers.setdefault(f"{harm.kind} {harm.target}", asyncio.Lock()):
                await kinds[harm.kind](harm)

        try:
            async with asyncio.TaskGroup() as group:
                for harm in harms:
                    group.create_task(one(harm))
            await self.all_ready()
        except* (DemoError, LocalStackError) as failed:
            self.ended += map(str, failed.exceptions)

    async def all_ready(self) -> None:
        """Return when every service is ready. Raises ServiceFailed."""
        for service in list(self.deployment.services.values()):
            await asyncio.to_thread(self._ready, service.name)

    async def keep_running(self) -> None:
        """Start what ends by itself, for ever, and note it."""
        while True:
            for service in list(self.deployment.services.values()):
                code = service.process.poll()
                if code is not None and service.name not in self._meant:
                    tail = service.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                    self.ended.append(f"{service.name} ended with {code}\n" + "\n".join(tail))
                    self._start(service.name)
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill(self, harm: Harm) -> None:
        self._meant.add(harm.target)
        await asyncio.to_thread(self.deployment.services[harm.target].kill)
        await asyncio.sleep(harm.lasts)
        self._start(harm.target)
        self._meant.discard(harm.target)
        await asyncio.to_thread(self._ready, harm.target)

    async def _link(self, harm: Harm) -> None:
        link = self.links[harm.target]
        if harm.how == "cut":
            await self.toxics.cut(link)
        else:
            await self.toxics.add(link, harm.how, harm.stream, harm.attributes)
        await asyncio.sleep(harm.lasts)
        await self.toxics.heal(link)

    async def _server(self, harm: Harm) -> None:
        await asyncio.to_thread(self.stack.stop_service, harm.target, kill=harm.how == "kill -9")
        await asyncio.sleep(harm.lasts)
        await asyncio.to_thread(self.stack.start_service, harm.target)

    async def _rebalance(self, harm: Harm) -> None:
        """A second one joins the group, works for a while, and leaves, or is killed."""
        key = f"{harm.target}-2"
        self._meant.add(key)
        service = await asyncio.to_thread(self.deployment.start, harm.target, instance="-2", wait=False)
        try:
            await asyncio.to_thread(service.wait_ready, READY_WITHIN_SECONDS)
            await asyncio.sleep(harm.lasts)
            await asyncio.to_thread(service.stop if harm.how == "join and leave" else service.kill)
        finally:
            del self.deployment.services[key]
            if service.process.poll() is None:
                service.kill()
            self._meant.discard(key)

    async def _registry(self, harm: Harm) -> None:
        """The registry's disk is lost; an operator starts an empty one and applies the contract again."""
        await asyncio.to_thread(self.stack.lose_registry)
        await asyncio.sleep(harm.lasts)
        direct = self.stack.env
        await asyncio.to_thread(
            self.deployment.apply_contract,
            KAFKA_BOOTSTRAP_SERVERS=direct.kafka_bootstrap_servers,
            SCHEMA_REGISTRY_URL=direct.schema_registry_url,
        )

    async def _positions(self, harm: Harm) -> None:
        """A service's positions are lost; it stops and asks, an operator answers, and it goes on."""
        self._meant.add(harm.target)
        try:
            await lose_positions(harm, self.deployment, self.stack)
        finally:
            self._start(harm.target)
            self._meant.discard(harm.target)
        await asyncio.to_thread(self._ready, harm.target)

    async def _failover(self, harm: Harm) -> None:
        """Let a standby take over; note how many records the primary had applied and the standby had not."""
        failover = Failover(self.stack)
        await asyncio.to_thread(failover.start_standby)
        if "held back" in harm.how:
            await asyncio.to_thread(failover.hold_back)
        await asyncio.sleep(harm.lasts)
        url = urlsplit(self.stack.env.postgres_admin_url)
        name = urlsplit(self.deployment.environ["DATABASE_URL"]).path
        had = await _records_applied(url._replace(path=name).geturl())
        await asyncio.to_thread(failover.kill_primary)
        await asyncio.to_thread(failover.promote)
        user, _, _ = url.netloc.rpartition("@")
        promoted = url._replace(netloc=f"{user}@{LOOPBACK}:{failover.standby_port}", path=name)
        self.lacked.append(had - await _records_applied(promoted.geturl()))
        await asyncio.to_thread(failover.take_place)

    def _start(self, name: str) -> Service:
        settings = {}
        if name == "ingest":
            settings = {"query_api_url": self.deployment.services["query-api"].url}
        return self.deployment.start(name, wait=False, **settings)

    def _ready(self, name: str) -> None:
        self.deployment.services[name].wait_ready(READY_WITHIN_SECONDS)


async def _records_applied(url: str) -> int:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return int(await connection.fetchval("SELECT sum(next_offset) FROM attendance.consumed_position"))
    finally:
        await connection.close()
