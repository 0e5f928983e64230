from typing import Any

from attendance_containers.charts.policies import NAME, Pod, allowed

A, B, SERVER = (
    Pod("a", {NAME: "a"}, {}),
    Pod("b", {NAME: "b"}, {"http": 8001}),
    Pod("server", {NAME: "server"}, {}),
)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "spec": {"podSelector": {"matchLabels": {NAME: name}}, "policyTypes": ["Ingress", "Egress"], **spec}
    }


def to(name: str, port: int | str) -> dict[str, Any]:
    return {
        "to": [{"podSelector": {"matchLabels": {NAME: name}}}],
        "ports": [{"protocol": "TCP", "port": port}],
    }


def by(name: str, port: int | str) -> dict[str, Any]:
    return {
        "from": [{"podSelector": {"matchLabels": {NAME: name}}}],
        "ports": [{"protocol": "TCP", "port": port}],
    }


def test_without_policies_everybody_connects_to_everybody() -> None:
    assert allowed([], [A, B], [80]) == {("a", "b", 80), ("b", "a", 80)}


def test_a_connection_needs_both_ends() -> None:
    out, into = policy("a", egress=[to("b", 8001)]), policy("b", ingress=[by("a", "http")])
    assert allowed([out, into], [A, B], [8001, 8002]) == {("a", "b", 8001)}
    assert allowed([out, policy("b")], [A, B], [8001]) == set()
    assert allowed([policy("a"), into], [A, B], [8001]) == set()


def test_what_no_policy_chooses_is_reached_by_who_is_let_out() -> None:
    assert allowed([policy("a", egress=[to("server", 5432)])], [A, SERVER], [5432, 80]) == {
        ("a", "server", 5432)
    }


def test_a_rule_without_peers_is_for_everybody_and_one_without_ports_for_every_port() -> None:
    world = policy("b", ingress=[{"ports": [{"port": 8443}]}])
    assert allowed([world], [A, B], [8443, 80]) == {("a", "b", 8443)}
    every_port = policy("b", ingress=[{"from": [{"podSelector": {}}]}])
    assert allowed([every_port], [A, B], [8443, 80]) == {("a", "b", 8443), ("a", "b", 80)}


def test_another_namespace_or_protocol_is_none_of_ours() -> None:
    elsewhere = policy("b", ingress=[{"from": [{"namespaceSelector": {}, "podSelector": {}}]}])
    assert allowed([elsewhere], [A, B], [80]) == set()
    names = policy("a", egress=[{"ports": [{"protocol": "UDP", "port": 53}]}])
    assert allowed([names], [A, SERVER], [53]) == {("server", "a", 53)} - {("server", "a", 53)}
