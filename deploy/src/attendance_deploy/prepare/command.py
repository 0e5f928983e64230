"""The commands `prepare` and `token`."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from attendance_deploy.prepare.bucket import prepare_bucket
from attendance_deploy.prepare.contract import prepare_acls, prepare_tables, prepare_topics
from attendance_deploy.prepare.logins import prepare_logins
from attendance_deploy.prepare.secrets import prepare_secrets
from attendance_deploy.prepare.tokens import Role, sign_token

DEFAULT_ROOT = Path("/secrets")
Root = Annotated[
    Path,
    typer.Option(
        "--secrets", envvar="SECRETS_ROOT", help="Folder with a folder of secrets for each service."
    ),
]


class Step(StrEnum):
    """What can be prepared, in the order in which it has to be there."""

    SECRETS = "secrets"
    LOGINS = "logins"
    BUCKET = "bucket"
    ACLS = "acls"
    TOPICS = "topics"
    TABLES = "tables"
    TABLES_POST = "tables-post"


STEPS: Mapping[Step, Callable[[Path, Callable[[str], None]], None]] = {
    Step.SECRETS: prepare_secrets,
    Step.LOGINS: prepare_logins,
    Step.BUCKET: prepare_bucket,
    Step.ACLS: prepare_acls,
    Step.TOPICS: prepare_topics,
    Step.TABLES: partial(prepare_tables, part="--pre"),
    Step.TABLES_POST: partial(prepare_tables, part="--post"),
}
# Kafka may ask nobody who it is; an old version of the projector may still run when the rest is prepared.
ONLY_WHEN_NAMED = {Step.ACLS, Step.TABLES_POST}


def prepare(
    steps: Annotated[
        list[Step] | None, typer.Argument(help="Only these; all but acls and tables-post without any.")
    ] = None,
    *,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Make what has to be there before the services start, and say what was made.

    secrets: passwords and keys, as files; logins: PostgreSQL's roles and database; bucket: where images are
    kept; acls: what each may do in Kafka, where brokers ask for certificates; topics: Kafka's topics and the
    schemas; tables: the migrations beside which the version before still runs; tables-post: the others, once
    no older version runs. Only secrets needs no server. Again it changes nothing.
    """
    for step in Step:
        if step in steps if steps else step not in ONLY_WHEN_NAMED:
            STEPS[step](root, partial(_say, step))


def _say(step: Step, line: str) -> None:
    typer.echo(f"{step}: {line}")


def token(
    *,
    role: Annotated[list[Role], typer.Option("--role", help="Whom it is for; repeatable.")],
    subject: Annotated[str, typer.Option(help="Who it is for; a device: its id.")] = "first-operator",
    org: Annotated[str, typer.Option(help="The organisation, claim `tenant`.")],
    site: Annotated[list[str] | None, typer.Option("--site", help="Only this site; repeatable.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 400, help="Until it expires.")] = 8.0,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Print an access token, signed with the key that `prepare secrets` made.

    For a site without an identity provider, and for the first operator of any.
    """
    typer.echo(
        sign_token(
            root,
            roles=role,
            subject=subject,
            organisation=org,
            sites=site or (),
            lifetime=timedelta(hours=hours),
        )
    )
