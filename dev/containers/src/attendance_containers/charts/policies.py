"""What rendered NetworkPolicies allow, as Kubernetes reads them: which pod reaches which port of which.

A connection needs both: the policies of its beginning let it out, and those of its end let it in. A pod that
no policy chooses may connect to everybody.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from attendance_deploy.access.permissions import Permissions

NAME = "app.kubernetes.io/name"
Labels = Mapping[str, str]
Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as policies see it. ports: names and numbers of its containers' ports."""

    name: str
    labels: Labels
    ports: Mapping[str, int]


def allowed(
    policies: Iterable[Policy], pods: Iterable[Pod], ports: Iterable[int]
) -> set[tuple[str, str, int]]:
    """Return who may connect to whom, among these pods, on these ports."""
    rules, all_pods = list(policies), list(pods)
    return {
        (client.name, server.name, port)
        for client in all_pods
        for server in all_pods
        for port in ports
        if client is not server
        and _lets(rules, client, server, port, server, "Egress")
        and _lets(rules, server, client, port, server, "Ingress")
    }


def expected(permissions: Permissions, names: Iterable[str], *, tls: bool) -> set[tuple[str, str, int]]:
    """Return who may connect to whom by the file of permissions, among these parties."""
    known = set(names)
    return {
        (each.client, each.server, each.port)
        for each in permissions.connections(tls=tls)
        if {each.client, each.server} <= known
    }


def _lets(rules: list[Policy], mine: Pod, other: Pod, port: int, server: Pod, direction: str) -> bool:
    chosen = [
        rule["spec"]
        for rule in rules
        if direction in rule["spec"]["policyTypes"] and _selects(rule["spec"]["podSelector"], mine.labels)
    ]
    return not chosen or any(
        _on(each, port, server) and _with(each, other, direction)
        for spec in chosen
        for each in spec.get(direction.lower()) or ()
    )


def _on(rule: Mapping[str, Any], port: int, server: Pod) -> bool:
    ports = rule.get("ports")
    return not ports or port in set(_numbers(ports, server))


def _numbers(ports: Iterable[Mapping[str, Any]], server: Pod) -> Iterator[int]:
    for each in ports:
        if each.get("protocol", "TCP") == "TCP":
            number = each["port"]
            yield number if isinstance(number, int) else server.ports.get(number, 0)


def _with(rule: Mapping[str, Any], other: Pod, direction: str) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    # These pods are of one namespace: what another one's selector chooses is none of them.
    return not peers or any(
        _selects(peer["podSelector"], other.labels)
        for peer in peers
        if "podSelector" in peer and "namespaceSelector" not in peer
    )


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items())
