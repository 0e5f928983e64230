"""Holds `access.yaml` against what the project says elsewhere; a difference is a sentence.

Topic files name producers and consumers, migrations grant to roles, and the settings of a service say where
it listens and which servers it knows. Who changes one of these changes the file, or the check fails.
"""

from collections.abc import Callable, Iterator
from itertools import chain

from attendance_deploy.access.grants import granted_roles
from attendance_deploy.access.permissions import Identity, Permissions
from attendance_schemas.topics import TOPICS, dead_letter_topics
from service_kit.environment import EnvironmentSettings, group_of
from service_kit.settings import (
    AuthSettings,
    DatabaseSettings,
    KafkaSettings,
    ObjectStoreSettings,
    OptionalValkeySettings,
    QueryDatabaseSettings,
    SchemaRegistrySettings,
    ValkeySettings,
)

# Groups of variables, what an identity of such a service has then, and how that is called.
_NEEDS: tuple[tuple[tuple[type[EnvironmentSettings], ...], str, Callable[[Identity], bool]], ...] = (
    ((KafkaSettings,), "section kafka", lambda each: each.kafka is not None),
    (
        (DatabaseSettings, QueryDatabaseSettings),
        "section postgres",
        lambda each: each.postgres is not None,
    ),
    ((ObjectStoreSettings,), "section object_store", lambda each: bool(each.object_store)),
    ((ValkeySettings, OptionalValkeySettings), "section valkey", lambda each: each.valkey is not None),
    ((SchemaRegistrySettings,), "call of registry", lambda each: "registry" in each.calls),
    ((AuthSettings,), "call of identity-provider", lambda each: "identity-provider" in each.calls),
)


def differences(permissions: Permissions) -> list[str]:
    """Return a sentence for each difference; none when all agree."""
    return [
        *_topics(permissions),
        *_dead_letters(permissions),
        *_roles(permissions),
        *_ports(permissions),
        *_servers(permissions),
    ]


def _topics(permissions: Permissions) -> Iterator[str]:
    known = TOPICS.keys() | {topic.name for topic in dead_letter_topics()}
    for name, identity in permissions.identities.items():
        if identity.kafka is not None:
            named = chain(
                identity.kafka.consumes,
                identity.kafka.follows,
                identity.kafka.produces,
                identity.kafka.replays,
            )
            yield from (f"{name}: there is no topic {topic}" for topic in named if topic not in known)
    for topic in TOPICS.values():
        file = f"schemas/topics/{topic.name.removeprefix('attendance.')}.yaml"
        for what, theirs, ours in (
            ("producers", set(topic.producers), _services(permissions, topic.name, "produces")),
            ("consumers", set(topic.consumers), _services(permissions, topic.name, "consumes", "follows")),
        ):
            for service in sorted(theirs - ours):
                yield f"{file} has {service} among its {what}, and access.yaml does not let it"
            for service in sorted(ours - theirs):
                yield f"access.yaml lets {service} use {topic.name}, and {file} does not have it as {what}"


def _services(permissions: Permissions, topic: str, *kinds: str) -> set[str]:
    return {
        permissions.service_of(name)
        for name, identity in permissions.identities.items()
        if identity.kafka is not None and any(topic in getattr(identity.kafka, kind) for kind in kinds)
    }


def _dead_letters(permissions: Permissions) -> Iterator[str]:
    for topic in dead_letter_topics():
        readers = {
            permissions.service_of(name)
            for name, identity in permissions.identities.items()
            if identity.kafka is not None and identity.kafka.reads_dead_letters
        }
        if readers != set(topic.consumers):
            told, found = ", ".join(topic.consumers), ", ".join(sorted(readers)) or "nobody"
            yield f"schemas/every-topic.yaml has {topic.name} for {told}, and access.yaml for {found}"


def _roles(permissions: Permissions) -> Iterator[str]:
    from attendance_projector.store.roles import ROLES

    ours = {
        each.postgres.role
        for each in permissions.identities.values()
        if each.postgres is not None and each.postgres.role is not None
    }
    for role in sorted(set(ROLES) - ours):
        yield f"the migrations grant to {role}, and no identity of access.yaml is a member of it"
    for role in sorted(ours - set(ROLES)):
        yield f"access.yaml has the role {role}, and the migrations do not know it"
    for role in sorted(granted_roles() - set(ROLES)):
        yield f"a migration grants to {role}, which is no role of attendance_projector.store.roles"


def _settings() -> dict[str, type[EnvironmentSettings]]:
    import attendance_projector.settings
    import ingest.settings
    import query_api.settings
    import recognition_worker.settings

    return {
        "attendance-projector": attendance_projector.settings.Settings,
        "ingest": ingest.settings.Settings,
        "query-api": query_api.settings.Settings,
        "recognition-worker": recognition_worker.settings.Settings,
    }


def _ports(permissions: Permissions) -> Iterator[str]:
    listening: dict[int, str] = {}
    for name, identity in permissions.identities.items():
        for port in filter(None, (identity.port, identity.tls_port)):
            if port in listening:
                yield f"{name} and {listening[port]} listen on the same port {port}"
            listening[port] = name
    for service, settings in _settings().items():
        port = settings.model_fields["port"].default
        found = permissions.identities.get(service)
        if found is None or found.port != port:
            yield (f"{service} listens on {port} by default, and on {found and found.port} by access.yaml")


def _servers(permissions: Permissions) -> Iterator[str]:
    for service, settings in _settings().items():
        ours = [
            each for name, each in permissions.identities.items() if permissions.service_of(name) == service
        ]
        known = {group_of(field.annotation) for field in settings.model_fields.values()}
        for groups, section, has in _NEEDS:
            variables = groups[0].env_prefix
            needs, is_there = bool(known & set(groups)), any(map(has, ours))
            if needs and not is_there:
                yield f"{service} reads {variables}*, and access.yaml gives it no {section}"
            if is_there and not needs:
                yield f"{service} reads no {variables}*, and access.yaml gives it a {section}"
