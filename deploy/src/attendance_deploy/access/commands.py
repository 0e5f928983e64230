"""The commands `attendance-deploy access ...`: check the permissions, print what comes of them, apply it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from attendance_deploy.access.permissions import Permissions, read_permissions
from attendance_deploy.errors import Refused, ServerAway

WOULD_CHANGE = 3
File = Annotated[
    Path | None, typer.Option("--file", help="Permissions of your own; else those of this version.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Apply = Annotated[bool, typer.Option("--apply", help="Make the server so; again it changes nothing.")]
Prefix = Annotated[
    str, typer.Option(envvar="KAFKA_TOPIC_PREFIX", help="Of the installation's topics, groups and keys.")
]
Secrets = Annotated[
    Path | None,
    typer.Option(help="Folder with a file for each user, named like it, that holds its password."),
]

access = typer.Typer(
    help="Who may do what: check access.yaml, print what is made of it, apply it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@access.command()
def check(*, file: File = None) -> None:
    """Compare access.yaml with topics, migrations and settings; exit code 1 when they differ."""
    from attendance_deploy.access.check import differences

    found = differences(read_permissions(file))
    for sentence in found:
        typer.echo(sentence)
    if found:
        raise typer.Exit(1)
    typer.echo("access.yaml agrees with the topics, the migrations and the settings")


@access.command()
def table(*, file: File = None) -> None:
    """Print who may do what, as the tables of the documentation."""
    from attendance_deploy.access.table import as_markdown

    typer.echo(as_markdown(read_permissions(file)))


@access.command()
def kafka(
    *,
    principal: Annotated[
        str, typer.Option(help="How the brokers call an identity; User:CN={name} without mapping rules.")
    ] = "User:{name}",
    prefix: Prefix = "",
    apply: Apply = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare with the cluster; exit code 3 when they differ.")
    ] = False,
    as_json: Json = False,
    file: File = None,
) -> None:
    """Print Kafka's ACLs as lines of kafka-acls.sh, or apply them.

    --apply and --dry-run read KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL and so on, as the services do.
    Run them as a super user of the brokers.
    """
    from dataclasses import asdict

    from attendance_deploy.access import kafka as acls
    from attendance_deploy.access.kafka_admin import administrator

    permissions = read_permissions(file)
    wanted = acls.wanted_acls(permissions, prefix=prefix, principal=principal)
    if not (apply or dry_run):
        _print([asdict(acl) for acl in wanted], [acl.command() for acl in wanted], as_json=as_json)
        return
    admin = administrator(os.environ)
    ours = acls.principals_of(permissions, principal)

    def look() -> acls.AclPlan:
        return acls.plan_acls(admin, wanted, prefix=prefix, principals=ours)

    plan = look()
    _print(plan.as_json(), plan.steps or ["nothing to do"], as_json=as_json)
    if apply:
        acls.apply_acls(admin, plan, look)
    elif plan.steps:
        raise typer.Exit(WOULD_CHANGE)


@access.command()
def postgres(
    *,
    hba: Annotated[bool, typer.Option("--hba", help="Print lines of pg_hba.conf instead.")] = False,
    ident: Annotated[bool, typer.Option("--ident", help="Print lines of pg_ident.conf instead.")] = False,
    apply: Apply = False,
    passwords: Secrets = None,
    file: File = None,
) -> None:
    """Print PostgreSQL's roles and logins as a script for psql, or apply them.

    --apply reads POSTGRES_ADMIN_URL, of a login that may create roles. Tables are granted by the migrations.
    """
    from attendance_deploy.access import postgres as logins

    permissions = read_permissions(file)
    if apply:
        names = [each.login for each in logins.accesses(permissions).values()]
        url = _variable("POSTGRES_ADMIN_URL")
        asyncio.run(_apply_logins(url, permissions, _secrets(passwords, names)))
        typer.echo("done")
        return
    make = logins.as_hba if hba else logins.as_ident if ident else logins.as_script
    typer.echo(make(permissions), nl=False)


async def _apply_logins(url: str, permissions: Permissions, passwords: dict[str, str]) -> None:
    import asyncpg

    from attendance_deploy.access.postgres import apply_logins

    try:
        connection = await asyncpg.connect(url)
    except (OSError, TimeoutError) as error:
        raise ServerAway(f"PostgreSQL does not answer: {error}") from error
    except asyncpg.PostgresError as error:
        raise Refused(f"PostgreSQL refuses: {error}; look at POSTGRES_ADMIN_URL") from error
    try:
        await apply_logins(connection, permissions, passwords=passwords)
    except asyncpg.PostgresError as error:
        raise Refused(f"PostgreSQL refuses: {error}") from error
    finally:
        await connection.close()


@access.command()
def s3(
    *,
    bucket: Annotated[str, typer.Option(envvar="OBJECT_STORE_BUCKET", help="Of the images.")],
    seaweedfs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Print the identities of SeaweedFS, with the keys of this folder, NAME.access and "
            "NAME.secret; a name that is no identity is an administrator.",
        ),
    ] = None,
    file: File = None,
) -> None:
    """Print the policies of the object store by identity, as AWS and others take them."""
    from attendance_deploy.access import s3 as store

    permissions = read_permissions(file)
    if seaweedfs is None:
        typer.echo(json.dumps(store.policies(permissions, bucket), indent=2))
        return
    keys = {
        path.stem: store.Key(_read(path), _read(path.with_suffix(".secret")))
        for path in sorted(seaweedfs.glob("*.access"))
    }
    typer.echo(json.dumps(store.seaweedfs_identities(permissions, bucket, keys), indent=2))


@access.command()
def valkey(
    *,
    prefix: Prefix = "",
    passwords: Secrets = None,
    apply: Apply = False,
    file: File = None,
) -> None:
    """Print Valkey's ACL file, or apply its users.

    --apply reads VALKEY_ADMIN_URL. In the file, `default` may log in by the password in the file `default`.
    """
    from attendance_deploy.access import valkey as cache

    permissions = read_permissions(file)
    found = _secrets(passwords, [*cache.users(permissions), "default"])
    default = found.pop("default", None)
    if apply:
        asyncio.run(_apply_users(_variable("VALKEY_ADMIN_URL"), permissions, prefix, found))
        typer.echo("done")
        return
    text = cache.as_file(permissions, prefix=prefix, passwords=found, administrator=default)
    typer.echo(text, nl=False)


async def _apply_users(url: str, permissions: Permissions, prefix: str, passwords: dict[str, str]) -> None:
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as Away
    from redis.exceptions import RedisError

    from attendance_deploy.access.valkey import apply_users

    async with Redis.from_url(url) as client:
        try:
            await apply_users(client, permissions, prefix=prefix, passwords=passwords)
        except (Away, OSError, TimeoutError) as error:
            raise ServerAway(f"Valkey does not answer: {error}") from error
        except RedisError as error:
            raise Refused(f"Valkey refuses: {error}; look at VALKEY_ADMIN_URL") from error


@access.command()
def network(
    *,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Of all our pods, beside their names.")
    ] = None,
    beginning: Annotated[str, typer.Option(help="Of the names of the policies.")] = "",
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WHERE",
            help="A party that is elsewhere: cidr:ADDRESSES, namespace:NAME or labels:KEY=VALUE,...",
        ),
    ] = None,
    server: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A server that is a pod beside ours, too.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="To the ports that speak no TLS.")] = False,
    as_json: Json = False,
    file: File = None,
) -> None:
    """Print NetworkPolicies: everything refused, but for what the file allows."""
    from attendance_deploy.access.network import Names, network_policies, peer_of

    if wrong := [each for each in label or () if "=" not in each]:
        raise Refused(f"{wrong[0]} is no label: write KEY=VALUE")
    labels = dict(each.split("=", 1) for each in label or ())
    peers = dict(map(peer_of, peer or ()))
    names = Names(labels, beginning)
    policies = network_policies(
        read_permissions(file), names, tls=not plain, peers=peers, servers=server or ()
    )
    typer.echo(json.dumps(policies, indent=2) if as_json else _yaml(policies), nl=as_json)


@access.command()
def callers(
    identity: Annotated[str, typer.Argument(help="Whose port is called.")], *, file: File = None
) -> None:
    """Print whose certificates an identity answers, for its variable *_SSL_CLIENT_NAMES."""
    permissions = read_permissions(file)
    if identity not in permissions.identities:
        raise Refused(f"there is no identity {identity}: {', '.join(permissions.identities)}")
    typer.echo(",".join(permissions.callers(identity)))


@access.command()
def compose(
    *,
    against: Annotated[
        Path | None, typer.Option("--check", help="A compose.yaml to compare; exit code 1 when it differs.")
    ] = None,
    as_json: Json = False,
    file: File = None,
) -> None:
    """Print which service is in which network of Compose, or check a compose.yaml."""
    from attendance_deploy.access.compose import differences, networks

    permissions = read_permissions(file)
    if against is None:
        made = networks(permissions)
        typer.echo(json.dumps(made, indent=2) if as_json else yaml.safe_dump(made, sort_keys=False), nl=False)
        return
    document = yaml.safe_load(against.read_text(encoding="utf-8"))
    found = list(differences(permissions, document))
    for sentence in found:
        typer.echo(sentence)
    if found:
        raise typer.Exit(1)
    typer.echo(f"the networks of {against} are those of access.yaml")


def _print(documents: Any, lines: list[str], *, as_json: bool) -> None:
    typer.echo(json.dumps(documents, indent=2) if as_json else "\n".join(lines))
    sys.stdout.flush()


def _yaml(documents: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True)


def _variable(name: str) -> str:
    if not (value := os.environ.get(name)):
        raise Refused(f"{name} is not set")
    return value


def _secrets(folder: Path | None, names: list[str]) -> dict[str, str]:
    if folder is None:
        return {}
    return {name: _read(folder / name) for name in names if (folder / name).is_file()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error}") from error
