"""NetworkPolicies of Kubernetes: nothing may connect, but for what the permissions say and a look at names.

A policy chooses pods by `app.kubernetes.io/name`, which is the name of the party; labels of an installation
come beside it and may be templates of Helm. A party that runs elsewhere is named as a peer: by other labels,
by a namespace, or by addresses. Probes need no rule: a node may always reach the pods that run on it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from attendance_deploy.access.permissions import ANYBODY, Connection, Permissions, Server
from attendance_deploy.errors import Refused

NAME = "app.kubernetes.io/name"
NAMESPACE = "kubernetes.io/metadata.name"
Peers = Mapping[str, dict[str, Any]]


class Names(NamedTuple):
    """What an installation puts into its policies: labels beside the name, and what begins their names."""

    labels: Mapping[str, str]
    beginning: str = ""


def peer_of(text: str) -> tuple[str, dict[str, Any]]:
    """Read NAME=cidr:10.0.0.0/8, NAME=namespace:monitoring or NAME=labels:KEY=VALUE,...

    Raises Refused.
    """
    name, _, where = text.partition("=")
    kind, _, value = where.partition(":")
    if name and value:
        if kind == "cidr":
            return name, {"ipBlock": {"cidr": value}}
        if kind == "namespace":
            selector = {"matchLabels": {NAMESPACE: value}}
            return name, {"namespaceSelector": selector, "podSelector": {"matchLabels": {NAME: name}}}
        if kind == "labels" and all("=" in each for each in value.split(",")):
            labels = dict(each.split("=", 1) for each in value.split(","))
            return name, {"podSelector": {"matchLabels": labels}}
    raise Refused(
        f"{text} names no peer: write NAME=cidr:ADDRESSES, NAME=namespace:NAME or NAME=labels:KEY=VALUE,..."
    )


def network_policies(
    permissions: Permissions,
    names: Names,
    *,
    tls: bool = True,
    peers: Peers | None = None,
    servers: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return the policies: one that refuses everything to our pods, and one for each identity.

    A party outside without a peer gets no rule: nobody reaches it. servers: those that are pods beside ours.
    """
    if unknown := set(servers) - permissions.servers.keys():
        raise Refused(f"{', '.join(sorted(unknown))}: no server of access.yaml")
    peers = peers or {}
    calls, called_by = defaultdict(list), defaultdict(list)
    for connection in permissions.connections(tls=tls):
        calls[connection.client].append(connection)
        called_by[connection.server].append(connection)
    make = _Maker(permissions, names, peers)
    return [
        make.default_deny(),
        *(make.policy(name, called_by[name], calls[name]) for name in (*permissions.identities, *servers)),
    ]


class _Maker:
    def __init__(self, permissions: Permissions, names: Names, peers: Peers) -> None:
        self._permissions = permissions
        self._names = names
        self._peers = peers

    def default_deny(self) -> dict[str, Any]:
        return self._document(
            "default-deny",
            {"podSelector": {"matchLabels": dict(self._names.labels)}, "policyTypes": ["Ingress", "Egress"]},
        )

    def policy(self, name: str, ins: Iterable[Connection], outs: Iterable[Connection]) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "podSelector": {"matchLabels": self._labels(name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [self._rule("from", each.client, each.port) for each in ins],
            "egress": [
                *([self._names_are_looked_up()] if outs else []),
                *(self._rule("to", each.server, each.port) for each in outs if self._is_known(each.server)),
            ],
        }
        return self._document(name, spec)

    def _rule(self, direction: str, other: str, port: int) -> dict[str, Any]:
        rule: dict[str, Any] = {"ports": [{"protocol": "TCP", "port": port}]}
        return rule if other == ANYBODY else {direction: [self._peer(other)], **rule}

    def _peer(self, name: str) -> dict[str, Any]:
        return self._peers.get(name) or {"podSelector": {"matchLabels": self._labels(name)}}

    def _is_known(self, name: str) -> bool:
        party = self._permissions.parties[name]
        return name in self._peers or not (isinstance(party, Server) and party.outside)

    def _labels(self, name: str) -> dict[str, str]:
        return {NAME: name, **self._names.labels}

    @staticmethod
    def _names_are_looked_up() -> dict[str, Any]:
        ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        return {
            "to": [
                {
                    "namespaceSelector": {"matchLabels": {NAMESPACE: "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                }
            ],
            "ports": ports,
        }

    def _document(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": f"{self._names.beginning}{name}"}
        if self._names.labels:
            metadata["labels"] = dict(self._names.labels)
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": spec,
        }
