"""Files of the charts that are made from elsewhere, since a chart can read no file outside its folder.

connections.yaml and users.yaml come from deploy/access.yaml, topics.yaml from schemas/topics, and alerts.yaml
from the alerts of compose.yaml.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from attendance_containers.charts.errors import NotInStep
from attendance_deploy.access.kafka import Acl, wanted_acls
from attendance_deploy.access.permissions import ANYBODY, Permissions
from attendance_schemas.topics import TOPICS

COMMAND = "python -m attendance_containers.charts write"
ACCESS, TOPIC_FILES, ALERTS = "deploy/access.yaml", "schemas/topics", "deploy/compose/prometheus/alerts.yml"
# How Kafka's resources and patterns are called in a KafkaUser.
RESOURCES = {"TOPIC": "topic", "GROUP": "group", "BROKER": "cluster"}
PATTERNS = {"LITERAL": "literal", "PREFIXED": "prefix"}


def made_files(root: Path, permissions: Permissions) -> dict[Path, str]:
    """Return the content of every made file, by its path."""
    charts = root / "charts"
    network = _text(ACCESS, _connections(permissions))
    engines = charts / "attendance-engines/files"
    return {
        charts / "attendance/files/alerts.yaml": _head(ALERTS) + (root / ALERTS).read_text(encoding="utf-8"),
        charts / "attendance/files/connections.yaml": network,
        engines / "connections.yaml": network,
        engines / "topics.yaml": _text(TOPIC_FILES, {"topics": _topics()}),
        engines / "users.yaml": _text(ACCESS, {"users": _users(permissions)}),
    }


def check_in_step(files: dict[Path, str]) -> None:
    """Compare made files with what lies there.

    Raises:
        NotInStep: names those that differ.
    """
    wrong = [str(path) for path, text in files.items() if not path.exists() or path.read_text() != text]
    if wrong:
        raise NotInStep(f"{', '.join(wrong)}: not what the sources say; run `{COMMAND}`")


def _text(source: str, content: object) -> str:
    return _head(source) + yaml.safe_dump(content, width=110)


def _head(source: str) -> str:
    return f"# Made from {source} by `{COMMAND}`; do not edit.\n"


def _connections(permissions: Permissions) -> dict[str, list[str]]:
    """Return whom each identity connects to: servers, and our own services."""
    calls = defaultdict(list)
    for connection in permissions.connections():
        if connection.client in permissions.identities and connection.client != ANYBODY:
            calls[connection.client].append(connection.server)
    return {name: sorted(servers) for name, servers in calls.items()}


def _topics() -> list[dict[str, Any]]:
    every = [each for topic in TOPICS.values() for each in (topic, topic.dead_letter_topic())]
    return [
        {
            "name": topic.name,
            "partitions": topic.partitions,
            "replicas": topic.replicas,
            "settings": dict(topic.settings),
        }
        for topic in every
        if topic is not None
    ]


def _users(permissions: Permissions) -> list[dict[str, Any]]:
    """Return Strimzi's users: the certificate's name is the identity's."""
    by_name: dict[str, list[Acl]] = defaultdict(list)
    for acl in wanted_acls(permissions, principal="{name}"):
        by_name[acl.principal].append(acl)
    return [{"name": name, "acls": _of_strimzi(acls)} for name, acls in sorted(by_name.items())]


def _of_strimzi(acls: Iterable[Acl]) -> list[dict[str, Any]]:
    operations: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for acl in acls:
        spelled = "".join(word.capitalize() for word in acl.operation.split("_"))
        operations[acl.resource, acl.name, acl.pattern].append(spelled)
    return [
        {"resource": _resource(*resource), "operations": sorted(each)}
        for resource, each in sorted(operations.items())
    ]


def _resource(kind: str, name: str, pattern: str) -> dict[str, str]:
    # There is one cluster: it has no name here.
    named = {} if kind == "BROKER" else {"name": name, "patternType": PATTERNS[pattern]}
    return {"type": RESOURCES[kind], **named}
