"""The command `re-enrol`: templates for another model from the stored photos, before it may decide."""

import asyncio
from typing import Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import (
    DEFAULT_MODEL,
    DefaultModel,
    Json,
    ModelCache,
    ModelRegistry,
    WorkersEmbedder,
)
from recognition_worker.settings import EmbedderChoice, ModelChoice


def re_enrol(
    *,
    model: Annotated[str, typer.Option(help="The model to make templates for, NAME or NAME@VERSION.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="The model whose templates say which photos count; by default the one that decides.",
        ),
    ] = None,
    as_json: Json = False,
    embedder: WorkersEmbedder = EmbedderChoice.AUTO,
    default_model: DefaultModel = DEFAULT_MODEL,
    model_cache: ModelCache,
    model_registry: ModelRegistry = None,
) -> None:
    """Make templates for another model from the stored photos.

    Run it again to go on.
    """
    with refusing():
        from recognition_worker.composition import re_enrolment

        choice = ModelChoice(model, model_cache, model_registry, embedder)
        tell(asyncio.run(re_enrolment.re_enrol(choice, source, default_model)), as_json=as_json)
