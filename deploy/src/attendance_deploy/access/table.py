"""The permissions as the tables of docs/operations/access.md, which a test compares with the page."""

from collections.abc import Iterable, Iterator

from attendance_deploy.access.grants import table_grants
from attendance_deploy.access.permissions import ANYBODY, Identity, Permissions

_NOTHING = "-"
_READS = "SELECT"
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})


def as_markdown(permissions: Permissions) -> str:
    """Return all tables, each under its heading."""
    return "\n\n".join(
        f"### {heading}\n{_table(rows)}"
        for heading, rows in (
            ("Topics", _topics(permissions)),
            ("Tables", _tables(permissions)),
            ("Objects and keys", _objects(permissions)),
            ("Connections", _connections(permissions)),
        )
    )


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    head, *rest = rows
    lines = [head, tuple("---" for _ in head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _topics(permissions: Permissions) -> Iterator[tuple[str, ...]]:
    yield "identity", "reads", "writes", "groups"
    for name, identity in permissions.identities.items():
        if (kafka := identity.kafka) is None:
            continue
        if kafka.manages:
            begins = ", ".join(f"`{each}*`" for each in kafka.manages)
            yield name, _NOTHING, f"none; makes {begins} and their settings", _NOTHING
            continue
        reads = [*kafka.consumes, *kafka.follows]
        every = ["all dead letters"] if kafka.reads_dead_letters else []
        if kafka.reads_every_topic:
            reads, every = [], ["all topics and all dead letters"]
        own = ["their dead letters"] if kafka.dead_letters else []
        yield (
            name,
            _listed([*_short(reads), *(every or own)]),
            _listed(
                [
                    *_short([*kafka.produces, *kafka.replays]),
                    *(["dead letters of what it consumes"] if own else []),
                ]
            ),
            _listed(f"`{group}`" for group in kafka.all_groups),
        )


def _tables(permissions: Permissions) -> Iterator[tuple[str, ...]]:
    yield "identity", "login", "is a member of", "reads", "writes, too"
    grants = table_grants()
    for name, identity in permissions.identities.items():
        if (postgres := identity.postgres) is None:
            continue
        if postgres.role is None:
            yield name, f"`{postgres.login}`", f"none; owns `{postgres.owns}`", "all", "all"
            continue
        tables = grants[postgres.role]
        reads = sum(_READS in privileges for privileges in tables.values())
        writes = sum(bool(_WRITES & privileges) for privileges in tables.values())
        yield (
            name,
            f"`{postgres.login}`",
            f"`{postgres.role}`",
            f"{reads} tables",
            f"{writes} table{'s' if writes != 1 else ''}",
        )


def _objects(permissions: Permissions) -> Iterator[tuple[str, ...]]:
    yield "identity", "objects", "keys in Valkey", "may"
    for name, identity in permissions.identities.items():
        if identity.object_store or identity.valkey:
            yield name, _objects_of(identity), *_keys_of(identity)


def _objects_of(identity: Identity) -> str:
    places = (identity.object_store or {}).items()
    return _listed(f"`{where}` {' and '.join(verbs)}" for where, verbs in places)


def _keys_of(identity: Identity) -> tuple[str, str]:
    if (valkey := identity.valkey) is None:
        return _NOTHING, _NOTHING
    keys = _listed(f"`{pattern}`" for pattern in valkey.keys)
    return keys, "read" if valkey.read_only else "read and write"


def _connections(permissions: Permissions) -> Iterator[tuple[str, ...]]:
    yield "who", "port", "is called by"
    connections = permissions.connections()
    for name, party in permissions.parties.items():
        callers = [each.client for each in connections if each.server == name]
        if callers:
            of = ["everybody" if caller == ANYBODY else caller for caller in callers]
            yield name, str(party.secure_port), _listed(of)


def _short(topics: Iterable[str]) -> list[str]:
    return [topic.removeprefix("attendance.") for topic in topics]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or _NOTHING
