"""The command `models`: the registry with what each model is good for here, or one model proven."""

from typing import Annotated

import typer

from recognition_worker.commands.console import refusing, tell
from recognition_worker.commands.options import Json, ModelCache, ModelRegistry
from recognition_worker.settings import ModelChoice


def models(
    *,
    prove: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Prepare and load this one (NAME or NAME@VERSION) and say how it went."
        ),
    ] = None,
    as_json: Json = False,
    model_cache: ModelCache,
    model_registry: ModelRegistry = None,
) -> None:
    """List the models with their licence, files and thresholds."""
    with refusing():
        from recognition_worker.composition.models import list_registry
        from recognition_worker.composition.models import prove as prove_model

        if prove:
            answer = prove_model(ModelChoice(prove, model_cache, model_registry))
        else:
            answer = list_registry(model_cache, model_registry)
        tell(answer, as_json=as_json)
