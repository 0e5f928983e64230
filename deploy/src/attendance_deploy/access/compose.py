"""Networks of Compose: one for each party that others call, with that party and those who may call it.

Parties that call the same server meet in its network, and do not listen there: each listens on its own
network alone. Where every pair had a network of its own, Docker would run out of addresses for them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attendance_deploy.access.permissions import ANYBODY, Permissions, Server

# Who is entered from outside, or has to reach what is there; those on it do not reach each other.
EDGE = "edge"
APART = {"com.docker.network.bridge.enable_icc": "false"}


def network_of(server: str) -> str:
    """Return the name of the network in which a server is called."""
    return f"to-{server}"


def networks(permissions: Permissions) -> dict[str, Any]:
    """Return the parts of a compose.yaml that say which service is in which network."""
    members: dict[str, list[str]] = {name: [] for name in permissions.parties}
    internal: dict[str, Any] = {}
    for client, server, _ in permissions.connections():
        if client == ANYBODY:
            members[server].append(EDGE)
            continue
        if client in permissions.identities and server in permissions.servers:
            # Any server may be elsewhere.
            members[client].append(EDGE)
        if not _is_outside(permissions, server):
            network = network_of(server)
            internal[network] = {"internal": True}
            members[client].append(network)
            members[server].append(network)
    services = {
        name: {"networks": sorted(set(names))}
        for name, names in members.items()
        if names and not _is_outside(permissions, name)
    }
    return {
        "services": services,
        "networks": {EDGE: {"driver_opts": APART}, **dict(sorted(internal.items()))},
    }


def differences(permissions: Permissions, compose: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a compose.yaml differs; services without permissions may be in no network of ours."""
    wanted = networks(permissions)
    for name, network in wanted["networks"].items():
        found = (compose.get("networks") or {}).get(name)
        if found is None and name not in (compose.get("networks") or {}):
            yield f"the network {name} is missing"
        elif bool((found or {}).get("internal")) != bool(network.get("internal")):
            yield f"the network {name} should {'' if network.get('internal') else 'not '}be internal"
        elif (found or {}).get("driver_opts") != network.get("driver_opts"):
            yield f"the network {name} should have the options {network.get('driver_opts')}"
    for name, service in compose.get("services", {}).items():
        goal = set(wanted["services"].get(name, {}).get("networks", ()))
        there = set(service.get("networks") or ())
        if more := there - goal:
            yield f"{name} is in {', '.join(sorted(more))}, and access.yaml gives it no connection there"
        if less := goal - there:
            yield f"{name} is not in {', '.join(sorted(less))}, where access.yaml has connections of it"


def _is_outside(permissions: Permissions, name: str) -> bool:
    party = permissions.parties[name]
    return isinstance(party, Server) and party.outside
