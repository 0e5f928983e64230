"""The command `rollout`: which model decides and which one runs beside it, recorded for the whole fleet."""

from __future__ import annotations

import asyncio
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import DEFAULT_MODEL, DefaultModel, Json, ModelRegistry
from recognition_worker.domain.identity import Site

if TYPE_CHECKING:
    from recognition_worker.composition.rollout_steps import Step

_MOST_PERCENT = 100


def _user() -> str:
    return os.environ.get("USER") or getpass.getuser()


def _percent(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= _MOST_PERCENT:
        raise typer.BadParameter("a share from 1 to 100 is needed")
    return value


Candidate = Annotated[str, typer.Argument(metavar="MODEL", help="NAME or NAME@VERSION.")]
Force = Annotated[
    bool, typer.Option("--force", help="Although people without a template would not be found.")
]
By = Annotated[str, typer.Option(default_factory=_user, show_default="the user", help="Who records it.")]

steps = typer.Typer(help="Show or change which model decides, for the whole fleet.", rich_markup_mode=None)


@steps.command()
def show(
    *,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Show what is recorded, and who is enrolled for which model."""
    _take(None, by, default_model, model_registry, as_json=as_json)


@steps.command()
def shadow(
    model: Candidate,
    *,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Let a model score beside the deciding one; it never decides."""
    from recognition_worker.composition import rollout_steps

    _take(rollout_steps.shadow(model), by, default_model, model_registry, as_json=as_json)


@steps.command()
def canary(
    model: Candidate,
    *,
    percent: Annotated[
        int | None, typer.Option(callback=_percent, help="Share of the devices, 1 to 100.")
    ] = None,
    site: Annotated[
        list[Site] | None, typer.Option(parser=Site.parse, metavar="ORG:SITE", help="A site; repeatable.")
    ] = None,
    force: Force = False,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Let the model beside decide for some devices or sites."""
    from recognition_worker.composition import rollout_steps

    step = rollout_steps.canary(model, percent or 0, tuple(site or ()), force=force)
    _take(step, by, default_model, model_registry, as_json=as_json)


@steps.command()
def promote(
    model: Candidate,
    *,
    force: Force = False,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Let the model beside decide everywhere; the former stays beside it."""
    from recognition_worker.composition import rollout_steps

    _take(rollout_steps.promote(model, force=force), by, default_model, model_registry, as_json=as_json)


@steps.command()
def roll_back(
    *,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Take the last step back: a canary to the shadow, a promotion to the former."""
    from recognition_worker.composition import rollout_steps

    _take(rollout_steps.roll_back, by, default_model, model_registry, as_json=as_json)


@steps.command()
def finish(
    *,
    by: By,
    as_json: Json = False,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_registry: ModelRegistry = None,
) -> None:
    """Leave the deciding model alone."""
    from recognition_worker.composition import rollout_steps

    _take(rollout_steps.finish, by, default_model, model_registry, as_json=as_json)


def _take(
    step: Step | None, by: str, default_model: str, model_registry: Path | None, *, as_json: bool
) -> None:
    with refusing():
        from recognition_worker.composition import rollout_steps

        taken = rollout_steps.take(step, by=by, default_model=default_model, models=model_registry)
        tell(asyncio.run(taken), as_json=as_json)
