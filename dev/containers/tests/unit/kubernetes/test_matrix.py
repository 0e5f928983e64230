from pathlib import Path

from attendance_containers.kubernetes.matrix import allowed_ways
from attendance_deploy.access.permissions import read_permissions

PERMISSIONS = read_permissions(Path(__file__).parents[5] / "deploy/access.yaml")


def test_only_who_is_named_may_connect_and_who_has_no_policy_enters_what_is_open() -> None:
    parties = ("ingest", "query-api", "gateway", "kafka", "registry", "outsider", "prometheus")
    ways = allowed_ways(parties, PERMISSIONS)
    assert {way for way in ways if "gateway" in way[:2]} == {
        ("gateway", "ingest", 8001),
        ("gateway", "query-api", 8002),
        ("kafka", "gateway", 8443),
        ("outsider", "gateway", 8443),
        ("prometheus", "gateway", 8443),
    }
    assert ("ingest", "kafka", 9092) in ways
    assert not any(client == "outsider" and server != "gateway" for client, server, _ in ways)
    assert not any(client == "registry" for client, _, _ in ways)
