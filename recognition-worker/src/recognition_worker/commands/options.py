"""Options that several commands share; the worker's settings are the defaults of those that name a model."""

from pathlib import Path
from typing import Annotated

import typer

from recognition_worker.settings import EmbedderChoice, Settings, default_model_cache

DEFAULT_MODEL: str = Settings.model_fields["model"].default

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Model = Annotated[str, typer.Option(envvar=Settings.variable("model"), help="NAME or NAME@VERSION.")]
DefaultModel = Annotated[
    str,
    typer.Option(
        envvar=Settings.variable("model"),
        help="What decides while nothing is recorded: the workers' setting.",
    ),
]
ModelCache = Annotated[
    Path,
    typer.Option(
        envvar=Settings.variable("model_cache"),
        default_factory=default_model_cache,
        show_default="~/.cache/recognition-worker",
        help="Folder for prepared weights.",
    ),
]
ModelRegistry = Annotated[
    Path | None,
    typer.Option(
        envvar=Settings.variable("model_registry"),
        help="Folder with manifests (*.toml) and weights/ of your own.",
    ),
]
ReferenceEmbedder = Annotated[
    EmbedderChoice,
    typer.Option("--embedder", help="What computes the worker's embeddings; deepface is the reference."),
]
WorkersEmbedder = Annotated[
    EmbedderChoice,
    typer.Option("--embedder", envvar=Settings.variable("embedder"), help="What computes the embeddings."),
]
Known = Annotated[Path, typer.Option(help="Known people: PERSON/1.jpg, 2.jpg, ...")]


def photo_count(value: int) -> int:
    """Take a count of one or more."""
    if value < 1:
        raise typer.BadParameter("at least one photo must enrol")
    return value


def share(value: float) -> float:
    """Take a share from 0 to less than 1."""
    if not 0.0 <= value < 1.0:
        raise typer.BadParameter("a share from 0 to 1 is needed, 0.01 for one in a hundred")
    return value


Enrol = Annotated[int, typer.Option(callback=photo_count, help="How many photos enrol a person.")]
