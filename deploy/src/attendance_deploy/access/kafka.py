"""Kafka's ACLs: what they should be, what a cluster has, and the difference made.

ACLs of principals that are not ours are left alone, and so are ours of another installation in the same
cluster, which has another topic prefix. Operations that follow from others are not asked for: who may read or
write a topic may describe it, and who may write any topic may be an idempotent producer.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from attendance_deploy.access.permissions import Identity, Permissions
from attendance_deploy.errors import Refused, ServerAway

T = TypeVar("T")

ANSWERS_WITHIN_SECONDS, LOOK_AGAIN_SECONDS = 30.0, 0.1
WHO_MAY = "ACLs are made by a principal of the brokers' super.users"
# The broker writes the name of its cluster so.
CLUSTER = "kafka-cluster"
MANAGED = ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS")


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One ALLOW; ours are from any host."""

    principal: str
    resource: str
    pattern: str
    name: str
    operation: str
    host: str = "*"

    def __str__(self) -> str:
        begins = " that begin with" if self.pattern == "PREFIXED" else ""
        host = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} may {self.operation} {self.resource}{begins} {self.name}{host}"

    def command(self, servers: str = "$KAFKA_BOOTSTRAP_SERVERS") -> str:
        """Return the line of Kafka's own tool that makes it."""
        where = "--cluster" if self.resource == "BROKER" else f"--{self.resource.lower()} '{self.name}'"
        pattern = "" if self.pattern == "LITERAL" else f" --resource-pattern-type {self.pattern.lower()}"
        operation = "".join(word.capitalize() for word in self.operation.split("_"))
        return (
            f"kafka-acls.sh --bootstrap-server {servers} --add --allow-principal '{self.principal}'"
            f" --operation {operation} {where}{pattern}"
        )


@dataclass(slots=True)
class AclPlan:
    """What is missing, and what is ours and no longer in the file."""

    missing: list[Acl] = field(default_factory=list)
    surplus: list[Acl] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        """Say what is to be done."""
        return [*(f"add {each}" for each in self.missing), *(f"remove {each}" for each in self.surplus)]

    def as_json(self) -> dict[str, list[dict[str, str]]]:
        """Return it for scripts."""
        return {"add": list(map(asdict, self.missing)), "remove": list(map(asdict, self.surplus))}


def wanted_acls(permissions: Permissions, *, prefix: str = "", principal: str = "User:{name}") -> list[Acl]:
    """Return every ACL of an installation.

    prefix: of its topics and groups. principal: how the brokers call the holder of a certificate or SCRAM
    login; `User:CN={name}` where they have no ssl.principal.mapping.rules.
    """
    return sorted(
        acl
        for name, identity in permissions.identities.items()
        for acl in _acls_of(identity, principal.format(name=name), prefix)
    )


def _acls_of(identity: Identity, principal: str, prefix: str) -> Iterator[Acl]:
    if (kafka := identity.kafka) is None:
        return
    for topic in kafka.reads:
        yield Acl(principal, "TOPIC", "LITERAL", prefix + topic, "READ")
    for topic in kafka.writes:
        yield Acl(principal, "TOPIC", "LITERAL", prefix + topic, "WRITE")
    for group in kafka.all_groups:
        yield Acl(principal, "GROUP", "LITERAL", prefix + group, "READ")
    for beginning in kafka.manages:
        for operation in MANAGED:
            yield Acl(principal, "TOPIC", "PREFIXED", prefix + beginning, operation)
        # The brokers tell how long they keep the positions of groups.
        yield Acl(principal, "BROKER", "LITERAL", CLUSTER, "DESCRIBE_CONFIGS")


def plan_acls(
    admin: AdminClient, wanted: Iterable[Acl], *, prefix: str, principals: Iterable[str]
) -> AclPlan:
    """Compare a cluster with what is wanted. Raises ServerAway or Refused."""
    goal, ours = set(wanted), set(principals)
    found = {acl for acl in _found(admin) if acl.principal in ours and _is_of(acl, prefix)}
    return AclPlan(sorted(goal - found), sorted(found - goal))


def apply_acls(admin: AdminClient, plan: AclPlan, plan_again: Callable[[], AclPlan]) -> None:
    """Add what is missing, remove what is surplus, and return when a broker shows it, a moment later.

    Raises ServerAway or Refused.
    """
    if plan.missing:
        added = [_binding(each, AclBinding) for each in plan.missing]
        _answers(admin.create_acls(added, request_timeout=ANSWERS_WITHIN_SECONDS))
    if plan.surplus:
        removed = [_binding(each, AclBindingFilter) for each in plan.surplus]
        _answers(admin.delete_acls(removed, request_timeout=ANSWERS_WITHIN_SECONDS))
    give_up_at = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while left := plan_again().steps:
        if time.monotonic() > give_up_at:
            raise ServerAway(f"it was done, and a broker does not show it; apply again: {'; '.join(left)}")
        time.sleep(LOOK_AGAIN_SECONDS)


def principals_of(permissions: Permissions, principal: str) -> list[str]:
    """Return how the brokers call our identities, also those that have no section of Kafka any more."""
    return [principal.format(name=name) for name in permissions.identities]


def _is_of(acl: Acl, prefix: str) -> bool:
    """Tell whether an ACL of ours belongs to the installation with this prefix."""
    return acl.resource not in ("TOPIC", "GROUP") or acl.name.startswith(prefix)


def _found(admin: AdminClient) -> Iterator[Acl]:
    _check_may_look(admin)
    # None is any; the annotations of the library do not know it.
    nothing: Any = None
    everything = AclBindingFilter(
        ResourceType.ANY,
        nothing,
        ResourcePatternType.ANY,
        nothing,
        nothing,
        AclOperation.ANY,
        AclPermissionType.ALLOW,
    )
    future = admin.describe_acls(everything, request_timeout=ANSWERS_WITHIN_SECONDS)
    for each in _answer(future.result):
        yield Acl(
            each.principal,
            each.restype.name,
            each.resource_pattern_type.name,
            each.name,
            each.operation.name,
            each.host,
        )


def _check_may_look(admin: AdminClient) -> None:
    """Raise Refused unless we may see ACLs: the library gives none where the broker refuses to tell."""
    asked = admin.describe_cluster(include_authorized_operations=True, request_timeout=ANSWERS_WITHIN_SECONDS)
    if AclOperation.DESCRIBE not in (_answer(asked.result).authorized_operations or ()):
        raise Refused(f"Kafka does not let us see its ACLs. {WHO_MAY}")


def _binding(acl: Acl, make: Callable[..., T]) -> T:
    return make(
        ResourceType[acl.resource],
        acl.name,
        ResourcePatternType[acl.pattern],
        acl.principal,
        acl.host,
        AclOperation[acl.operation],
        AclPermissionType.ALLOW,
    )


def _answers(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        _answer(future.result)


def _answer(result: Callable[[], T]) -> T:
    try:
        return result()
    except KafkaException as error:
        reason = error.args[0]
        if reason.retriable() or reason.code() < 0:
            raise ServerAway(f"Kafka does not answer, try again: {reason.str()}") from error
        raise Refused(f"Kafka refuses: {reason.str()}. {WHO_MAY}") from error
