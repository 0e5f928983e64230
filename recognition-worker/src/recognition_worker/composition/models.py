"""The registry on this machine: a model's manifest, its weights, and what each model is good for here."""

import os
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from recognition_worker.adapters.embedders.embedder_choice import load_embedder
from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.adapters.models.object_store_weights import ObjectStoreWeights
from recognition_worker.adapters.models.packaged_models import WeightPlaces, describe_weights, prepare_models
from recognition_worker.composition.answer import Answer
from recognition_worker.domain.model_listing import ListedModel, list_models
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.settings import EmbedderChoice, ModelChoice
from service_kit.settings import ObjectStoreSettings


def manifest_of(choice: ModelChoice) -> ModelManifest:
    """Return the manifest of a model; ModelRefused."""
    return read_registry(choice.registry).find(choice.name)


def places_of(registry: Path | None) -> WeightPlaces:
    """Return where weights may lie: in the object store too when its variables are set."""
    prefix = ObjectStoreSettings.env_prefix
    configured = any(name.startswith(prefix) for name in os.environ)
    return WeightPlaces(registry, ObjectStoreWeights(ObjectStoreSettings.load()) if configured else None)


def prove(choice: ModelChoice) -> Answer:
    """Prepare and load a model; ModelRefused when it cannot be."""
    manifest = manifest_of(choice)
    files = prepare_models(choice.cache, manifest, places_of(choice.registry))
    load_embedder(EmbedderChoice.DEEPFACE, files)
    found = {
        "model": str(manifest.model),
        "file": str(files.weights_file),
        "sha256": manifest.sha256,
        "calibrated": manifest.calibrated,
    }
    said = f"{manifest.model} loads: {files.weights_file}"
    return Answer(lambda: Console().print(said, soft_wrap=True), lambda: found)


def list_registry(cache: Path, registry: Path | None) -> Answer:
    """List the models with what could be done with each now."""
    places = places_of(registry)
    listed = list_models(read_registry(registry), lambda manifest: describe_weights(cache, manifest, places))
    return Answer(partial(_show, listed), lambda: {"models": [model.as_json() for model in listed]})


def _show(listed: list[ListedModel]) -> None:
    table = Table("model", "licence", "input", "thresholds", "state")
    table.columns[0].no_wrap = True
    for model in listed:
        sizes = [str(point["people_up_to"]) for point in model.thresholds]
        table.add_row(
            f"{model.name}@{model.version}",
            model.licence,
            model.input,
            f"up to {sizes[-1]} people" if sizes else "none",
            model.state.value,
        )
    console = Console()
    console.print(table)
    for model in listed:
        console.print(f"{model.name}@{model.version}: {model.detail}", soft_wrap=True, highlight=False)
