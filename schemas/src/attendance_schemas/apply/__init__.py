"""Bring a cluster and a registry to the contract: first a plan, then what it says; never less than there is.

Applying twice changes nothing. A topic with another number of partitions or fewer replicas, a registry with
other ids, and a cluster with fewer brokers than replicas are refused before anything is changed.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from attendance_schemas.apply import schemas
from attendance_schemas.apply.cluster import Cluster, connected
from attendance_schemas.apply.plan import NewTopic, Plan, compare, missing_brokers, offsets_warning, wanted
from attendance_schemas.errors import BrokerUnavailable, ContractMismatch
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import TOPICS, Topic, dead_letter_topics

__all__ = ["Plan", "all_topics", "apply"]

SEEN_WITHIN_SECONDS, LOOK_AGAIN_SECONDS = 30.0, 0.1


def all_topics() -> list[Topic]:
    """Return every topic and the dead letters of those that have them."""
    return [*TOPICS.values(), *dead_letter_topics()]


async def apply(
    bootstrap_servers: str,
    registry_url: str,
    *,
    prefix: str = "",
    single_broker: bool = False,
    dry_run: bool = False,
    partitions: int | None = None,
    client_options: Mapping[str, Any] | None = None,
    registry_tls: ssl.SSLContext | None = None,
    on_plan: Callable[[Plan], object] = lambda _plan: None,
) -> Plan:
    """Make topics and schemas what their files say, and return what was to be done.

    single_broker: one replica of everything, on purpose. dry_run: only plan; refusals are then in the plan.
    partitions: no more than these of each topic (small test clusters). on_plan: told before anything is done.

    Raises ContractMismatch, SchemaError, BrokerUnavailable or RegistryUnavailable.
    """
    topics = [
        wanted(topic, prefix=prefix, single_broker=single_broker, partitions=partitions)
        for topic in all_topics()
    ]
    async with (
        connected(bootstrap_servers, client_options or {}) as cluster,
        SchemaRegistry(registry_url, registry_tls) as registry,
    ):
        brokers = await cluster.brokers()
        _check_brokers(len(brokers), topics, single_broker=single_broker)
        plan = compare(topics, await cluster.topics(topic.name for topic in topics))
        if warning := offsets_warning(await cluster.offsets_retention(brokers)):
            plan.warnings.append(warning)
        await schemas.plan_schemas(registry, TOPICS.values(), prefix, plan)
        if plan.refused and not dry_run:
            raise ContractMismatch("; ".join(plan.refused))
        on_plan(plan)
        if dry_run:
            return plan
        await cluster.create(plan.topics, only_check=True)
        await cluster.set(plan.settings, only_check=True)
        await schemas.register(registry, plan)
        await cluster.create(plan.topics)
        await cluster.set(plan.settings)
        await _until_seen(cluster, topics)
    return plan


async def _until_seen(cluster: Cluster, topics: list[NewTopic]) -> None:
    """Return when the cluster shows what was done: a broker hears of it a moment later.

    Topics that another `apply` made meanwhile are compared like any others.
    """
    give_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
    while True:
        is_over = time.monotonic() > give_up_at
        try:
            left = compare(topics, await cluster.topics(topic.name for topic in topics))
        except BrokerUnavailable:  # one broker lists what another does not know yet
            if is_over:
                raise
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            continue
        if not left.steps and not left.refused:
            return
        if is_over:
            if left.refused:
                raise ContractMismatch(f"somebody else made topics meanwhile: {'; '.join(left.refused)}")
            raise BrokerUnavailable(
                f"it was done, and a broker does not show it; apply again: {'; '.join(left.steps)}"
            )
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _check_brokers(answering: int, topics: list[NewTopic], *, single_broker: bool) -> None:
    if single_broker and answering > 1:
        raise ContractMismatch(
            f"{answering} brokers answer, so this is no cluster for --single-broker; nothing was changed"
        )
    if missing := missing_brokers(answering, topics):
        needed = answering + missing
        raise BrokerUnavailable(
            f"{answering} of {needed} brokers answer: {missing} missing for {needed} replicas. Nothing was "
            "changed. Apply again when all are back. A cluster of one broker on purpose says --single-broker"
        )
