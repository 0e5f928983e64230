"""The links to the servers, each of which can be led through a proxy that does it harm.

The ports of the proxies are known from the first start on, whether there are proxies or not: Kafka tells its
clients where to go on, so a broker has to know the address of its proxy when it starts. What comes through
it meets a listener of its own, whose advertised address is the proxy.
"""

from dataclasses import dataclass

from local_stack.running.state import StackState

SERVERS = {
    "registry": "registry",
    "postgres": "postgres",
    "postgres-replica": "postgres-replica",
    "object-store": "s3",
    "valkey": "valkey",
}


@dataclass(frozen=True)
class Link:
    """One server and the proxy before it, both on loopback."""

    name: str
    upstream_port: int
    proxy_port: int


def links(state: StackState) -> list[Link]:
    """List the links of the stack, named as its services."""
    ports = state.ports
    cluster = len(state.broker_ids) > 1
    brokers = [
        Link(
            f"kafka-{node}" if cluster else "kafka",
            ports[f"kafka-{node}-proxied"],
            ports[f"kafka-{node}-proxy"],
        )
        for node in state.broker_ids
    ]
    others = [
        Link(name, ports[port], ports[f"{port}-proxy"])
        for name, port in SERVERS.items()
        if state.replica or name != "postgres-replica"
    ]
    return brokers + others


def proxied_ports(state: StackState) -> dict[str, int]:
    """Return the port of the proxy for each port that clients use."""
    names = [*(f"kafka-{node}" for node in state.broker_ids), *SERVERS.values()]
    return {name: state.ports[f"{name}-proxy"] for name in names}
