"""The permissions of `access.yaml` as objects, and what follows from them: who connects to whom.

A name under `calls`, and a section that needs a server, both mean a connection. Who may come in is told by
nobody twice: it is who calls.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from attendance_deploy.errors import Refused
from attendance_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS, dead_letter_topics

ANYBODY = "anybody"
Verb = Literal["get", "put", "delete"]
# A name in PostgreSQL that needs no quotes.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class KafkaAccess(BaseModel):
    """Topics by what is done with them; consumer groups; the beginnings of topics that it makes."""

    model_config = _STRICT

    consumes: tuple[str, ...] = ()
    group: str | None = None
    groups: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    reads_dead_letters: bool = False
    reads_every_topic: bool = False
    replays: tuple[str, ...] = ()
    manages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _group_of_consumers(self) -> Self:
        if bool(self.consumes) != bool(self.group):
            raise ValueError("`consumes` and `group` go together")
        return self

    @property
    def all_groups(self) -> tuple[str, ...]:
        """Return its consumer groups."""
        return (*([self.group] if self.group else []), *self.groups)

    @property
    def dead_letters(self) -> tuple[str, ...]:
        """Return the topics of dead letters to which it moves what it cannot handle."""
        return tuple(
            name + DEAD_LETTER_SUFFIX
            for name in self.consumes
            if name in TOPICS and TOPICS[name].dead_letters
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """Return the topics that it may read."""
        every = tuple(TOPICS) if self.reads_every_topic else ()
        dead = tuple(topic.name for topic in dead_letter_topics())
        if not (self.reads_dead_letters or self.reads_every_topic):
            dead = ()
        return tuple(dict.fromkeys((*self.consumes, *self.follows, *self.dead_letters, *every, *dead)))

    @property
    def writes(self) -> tuple[str, ...]:
        """Return the topics that it may write."""
        return (*self.produces, *self.replays, *self.dead_letters)


class PostgresAccess(BaseModel):
    """A login, and the role of the migrations of which it is a member, or the database that it owns."""

    model_config = _STRICT

    login: Name
    role: Name | None = None
    owns: Name | None = None
    temporary: bool = False
    servers: tuple[str, ...] = ("postgres",)
    read_only: bool = False

    @model_validator(mode="after")
    def _role_or_owner(self) -> Self:
        if (self.role is None) == (self.owns is None):
            raise ValueError("a login has either a `role` or what it `owns`")
        return self


class ValkeyAccess(BaseModel):
    """Patterns of keys, after the prefix of the installation, and the commands that may touch them."""

    model_config = _STRICT

    keys: tuple[str, ...]
    commands: tuple[str, ...]
    read_only: bool = False


class Party(BaseModel):
    """What has an address and connects to others: a server, or an identity."""

    model_config = _STRICT

    port: int | None = None
    tls_port: int | None = None
    open: bool = False
    calls: tuple[str, ...] = ()

    @property
    def secure_port(self) -> int | None:
        """Return the port that speaks TLS where TLS is on."""
        return self.tls_port or self.port


class Server(Party):
    """A server that is not ours. outside: not part of an installation."""

    port: int
    outside: bool = False


class Identity(Party):
    """What our processes run as."""

    service: str | None = None
    kafka: KafkaAccess | None = None
    postgres: PostgresAccess | None = None
    object_store: Mapping[str, tuple[Verb, ...]] | None = None
    valkey: ValkeyAccess | None = None

    def servers(self) -> Iterator[str]:
        """Yield whom it connects to: those of its sections, then those that it calls."""
        if self.kafka is not None:
            yield "kafka"
        if self.postgres is not None:
            yield from self.postgres.servers
        if self.object_store is not None:
            yield "object-store"
        if self.valkey is not None:
            yield "valkey"
        yield from self.calls


class Connection(NamedTuple):
    """Who may connect to which port of whom. client: ANYBODY for what the world may enter."""

    client: str
    server: str
    port: int


class Permissions(BaseModel):
    """All of `access.yaml`."""

    model_config = _STRICT

    servers: Mapping[str, Server]
    identities: Mapping[str, Identity] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_and_listening(self) -> Self:
        if both := self.servers.keys() & self.identities.keys():
            raise ValueError(f"{', '.join(sorted(both))}: a server and an identity with the same name")
        for name, called in self._calls():
            if called not in self.parties:
                raise ValueError(f"{name} calls {called}, which is neither a server nor an identity")
            if self.parties[called].port is None:
                raise ValueError(f"{name} calls {called}, which has no port")
        return self

    @property
    def parties(self) -> Mapping[str, Party]:
        """Return servers and identities by name."""
        return {**self.servers, **self.identities}

    def service_of(self, name: str) -> str:
        """Return whose code an identity runs."""
        return self.identities[name].service or name

    def callers(self, name: str) -> list[str]:
        """Return whose certificates a party answers: of those that may connect, and of its health check."""
        clients = (each.client for each in self.connections() if each.server == name)
        return [*(client for client in clients if client != ANYBODY), name]

    def connections(self, *, tls: bool = True) -> list[Connection]:
        """Return every connection that may be made, and no other may. tls: to the ports that speak TLS."""
        ends = [*self._calls(), *((ANYBODY, name) for name, party in self.parties.items() if party.open)]
        return [Connection(client, server, self._port(server, tls=tls)) for client, server in ends]

    def _port(self, name: str, *, tls: bool) -> int:
        party = self.parties[name]
        port = party.secure_port if tls else party.port
        if port is None:
            raise Refused(f"{name} has no port")
        return port

    def _calls(self) -> Iterator[tuple[str, str]]:
        for name, server in self.servers.items():
            yield from ((name, called) for called in server.calls)
        for name, identity in self.identities.items():
            yield from ((name, called) for called in dict.fromkeys(identity.servers()))


def read_permissions(path: Path | None = None) -> Permissions:
    """Read a file of permissions; without a path the one of this version. Raises Refused."""
    source = path or files("attendance_deploy").joinpath("access.yaml")
    try:
        return Permissions.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise Refused(f"{source} is not YAML: {error}") from error
    except ValidationError as error:
        places = (
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors()
        )
        raise Refused(f"{source}: {'; '.join(places)}") from error
