"""What is made from access.yaml for each kind of server, before any server sees it."""

import json
from collections.abc import Callable
from hashlib import sha256

import pytest
import yaml
from typer.testing import CliRunner

from attendance_deploy.__main__ import cli
from attendance_deploy.access import compose, kafka, s3, valkey
from attendance_deploy.access.network import Names, network_policies, peer_of
from attendance_deploy.access.permissions import ANYBODY, Connection, Permissions
from attendance_deploy.errors import Refused


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["access", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_acls_carry_the_prefix_and_the_principal(permissions: Permissions) -> None:
    acls = kafka.wanted_acls(permissions, prefix="site-1.", principal="User:CN={name}")
    assert {acl.principal for acl in acls} <= {f"User:CN={name}" for name in permissions.identities}
    assert all(acl.name.startswith("site-1.") for acl in acls if acl.resource != "BROKER")
    of_query_api = [acl for acl in acls if acl.principal == "User:CN=query-api"]
    assert of_query_api == [
        kafka.Acl("User:CN=query-api", "TOPIC", "LITERAL", "site-1.attendance.matches", "READ")
    ]


def test_nobody_gets_more_of_the_cluster_than_a_look_at_its_settings(permissions: Permissions) -> None:
    acls = kafka.wanted_acls(permissions)
    assert [str(acl) for acl in acls if acl.resource == "BROKER"] == [
        "User:prepare may DESCRIBE_CONFIGS BROKER kafka-cluster"
    ]
    managed = {acl.operation for acl in acls if acl.pattern == "PREFIXED"}
    assert managed == {"CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"}


def test_who_consumes_moves_and_reads_its_own_dead_letters(permissions: Permissions) -> None:
    worker = permissions.identities["recognition-worker"].kafka
    assert worker is not None
    assert set(worker.dead_letters) == {
        "attendance.captures.dlq",
        "attendance.captures-backlog.dlq",
        "attendance.enrolments.dlq",
    }
    assert set(worker.dead_letters) <= set(worker.reads) & set(worker.writes)


def test_acls_are_lines_of_kafkas_tool() -> None:
    line = next(line for line in run("kafka").splitlines() if "query-api" in line)
    assert line == (
        "kafka-acls.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --add --allow-principal 'User:query-api'"
        " --operation Read --topic 'attendance.matches'"
    )


def test_policies_name_prefixes_and_never_delete(permissions: Permissions) -> None:
    documents = s3.policies(permissions, "images")
    assert "query-api" not in documents
    worker = documents["recognition-worker"]["Statement"]
    assert {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/*"]} in worker
    assert worker[-1]["Resource"] == ["arn:aws:s3:::images", "arn:aws:s3:::models"]
    text = json.dumps(documents)
    assert "Delete" not in text
    assert "s3:*" not in text


def test_a_user_of_valkey_without_a_password_cannot_log_in(permissions: Permissions) -> None:
    lines = valkey.as_file(permissions, prefix="p.", passwords={"ingest": "open"}).splitlines()
    assert lines[0] == "user default reset off"
    assert f"user ingest reset on #{sha256(b'open').hexdigest()} ~p.ingest:* resetchannels -@all" in lines[1]
    assert "resetpass" in next(line for line in lines if line.startswith("user query-api"))
    assert "%R~p.presence:*" in next(line for line in lines if line.startswith("user query-api"))


def connections_of(policies: list[dict]) -> tuple[set[Connection], set[Connection]]:
    """What pods of these names may do by the policies: let in, and call."""
    ins, outs = set(), set()
    for policy in policies[1:]:
        me = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for direction, side, found in (("ingress", "from", ins), ("egress", "to", outs)):
            for rule in policy["spec"][direction]:
                port = rule["ports"][0]["port"]
                if port == 53:
                    continue
                others = [
                    each["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
                    for each in rule.get(side, ())
                ] or [ANYBODY]
                for other in others:
                    pair = (other, me) if direction == "ingress" else (me, other)
                    found.add(Connection(*pair, port))
    return ins, outs


def test_network_policies_allow_the_connections_and_no_other(permissions: Permissions) -> None:
    policies = network_policies(permissions, Names({}))
    assert policies[0]["spec"] == {
        "podSelector": {"matchLabels": {}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in policies)
    ins, outs = connections_of(policies)
    ours = permissions.identities.keys()
    outside = {name for name, server in permissions.servers.items() if server.outside}
    every = set(permissions.connections())
    assert ins == {each for each in every if each.server in ours}
    assert outs == {each for each in every if each.client in ours and each.server not in outside}
    assert not {each for each in every if each.client == "query-api" and each.server == "object-store"}


def test_servers_beside_ours_let_their_callers_in(permissions: Permissions) -> None:
    policies = network_policies(permissions, Names({}), servers=["kafka", "postgres-replica"])
    ins, outs = connections_of(policies)
    every = set(permissions.connections())
    assert {each for each in ins if each.server == "kafka"} == {
        each for each in every if each.server == "kafka"
    }
    assert Connection("postgres-replica", "postgres", 5432) in outs
    with pytest.raises(Refused, match="no server"):
        network_policies(permissions, Names({}), servers=["ingest"])


def test_peers_and_labels_are_the_installations_own() -> None:
    text = run(
        *("network", "--label", "app.kubernetes.io/instance={{ .Release.Name }}", "--beginning", "site-"),
        *("--peer", "kafka=cidr:10.1.0.0/16", "--peer", "prometheus=namespace:monitoring"),
        *(
            "--peer",
            "postgres=labels:cnpg.io/cluster=attendance",
            "--peer",
            "identity-provider=cidr:0.0.0.0/0",
        ),
    )
    ingest = next(each for each in yaml.safe_load_all(text) if each["metadata"]["name"] == "site-ingest")
    selector = ingest["spec"]["podSelector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == "{{ .Release.Name }}"
    destinations = [rule["to"] for rule in ingest["spec"]["egress"]]
    assert [{"ipBlock": {"cidr": "10.1.0.0/16"}}] in destinations
    assert [{"ipBlock": {"cidr": "0.0.0.0/0"}}] in destinations
    sources = [rule["from"] for rule in ingest["spec"]["ingress"]]
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert any(source[0].get("namespaceSelector") == namespace for source in sources)


def test_a_listener_answers_its_callers_and_itself() -> None:
    assert run("callers", "ingest") == "gateway,prometheus,ingest\n"
    assert run("callers", "recognition-worker") == "prometheus,recognition-worker\n"


@pytest.mark.parametrize("text", ["kafka", "kafka=10.0.0.0/8", "kafka=cidr:", "=cidr:1", "kafka=labels:a"])
def test_a_peer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        peer_of(text)


def test_networks_hold_who_may_meet(permissions: Permissions) -> None:
    made = compose.networks(permissions)
    for connection in permissions.connections():
        if connection.client == ANYBODY or permissions.parties[connection.server] in [
            server for server in permissions.servers.values() if server.outside
        ]:
            continue
        shared = set(made["services"][connection.client]["networks"]) & set(
            made["services"][connection.server]["networks"]
        )
        assert f"to-{connection.server}" in shared
    assert "to-object-store" not in made["services"]["query-api"]["networks"]
    assert made["networks"]["edge"] == {"driver_opts": {"com.docker.network.bridge.enable_icc": "false"}}
    assert all(network == {"internal": True} for name, network in made["networks"].items() if name != "edge")
    # Docker has addresses for some thirty networks.
    assert len(made["networks"]) < 20


def test_who_calls_a_server_has_a_way_out_since_it_may_be_elsewhere(permissions: Permissions) -> None:
    services = compose.networks(permissions)["services"]
    on_edge = {name for name, service in services.items() if "edge" in service["networks"]}
    assert on_edge == permissions.identities.keys() - {"prometheus"} | {"grafana"}


def test_another_compose_file_is_told(permissions: Permissions) -> None:
    made = compose.networks(permissions)
    assert list(compose.differences(permissions, made)) == []
    made["services"]["query-api"]["networks"].append("to-object-store")
    made["services"]["ingest"]["networks"].remove("to-kafka")
    made["networks"]["to-kafka"] = None
    del made["networks"]["to-valkey"]
    made["networks"]["edge"] = None
    assert sorted(compose.differences(permissions, made)) == [
        "ingest is not in to-kafka, where access.yaml has connections of it",
        "query-api is in to-object-store, and access.yaml gives it no connection there",
        "the network edge should have the options {'com.docker.network.bridge.enable_icc': 'false'}",
        "the network to-kafka should be internal",
        "the network to-valkey is missing",
    ]


def test_scripts_get_json(permissions: Permissions) -> None:
    assert len(json.loads(run("kafka", "--json"))) == len(kafka.wanted_acls(permissions))
    assert json.loads(run("network", "--json"))[0]["kind"] == "NetworkPolicy"
    assert json.loads(run("s3", "--bucket", "images")).keys() == {"ingest", "recognition-worker", "ops", "prepare"}


def test_a_renamed_identity_is_renamed_everywhere(changed: Callable) -> None:
    made = changed(lambda file: file["identities"].update(door=file["identities"].pop("gateway")))
    assert ("door", "ingest") in {(each.client, each.server) for each in made.connections()}
