"""The arguments and settings by which commands name a model; the worker's variables are the defaults."""

import argparse
import os
from pathlib import Path

from recognition_worker.adapters.models.manifest_files import read_registry
from recognition_worker.adapters.models.object_store_weights import ObjectStoreWeights
from recognition_worker.adapters.models.packaged_models import WeightPlaces
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.model_registry import ModelRegistry
from recognition_worker.settings import Settings, default_model_cache
from service_kit.settings import ObjectStoreSettings


def add_registry(parser: argparse.ArgumentParser) -> None:
    """Add where models are looked for."""
    parser.add_argument(
        "--model-cache",
        type=Path,
        default=model_cache(),
        help="folder for prepared weights (default %(default)s)",
    )
    parser.add_argument(
        "--model-registry",
        type=Path,
        default=_path("model_registry"),
        help="folder with manifests (*.toml) and weights/ of your own",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add which model, and where models are looked for."""
    parser.add_argument("--model", default=default_model(), help="NAME or NAME@VERSION (default %(default)s)")
    add_registry(parser)


def default_model() -> str:
    """Return what decides while no rollout is recorded: the worker's setting."""
    named: str = os.environ.get(Settings.variable("model")) or Settings.model_fields["model"].default
    return named


def registry_of(arguments: argparse.Namespace) -> ModelRegistry:
    """Read the registry; ModelRefused."""
    return read_registry(arguments.model_registry)


def manifest_of(arguments: argparse.Namespace) -> ModelManifest:
    """Return the manifest of --model; ModelRefused."""
    return registry_of(arguments).find(arguments.model)


def places_of(arguments: argparse.Namespace) -> WeightPlaces:
    """Return where weights may lie: in the object store too when its variables are set."""
    prefix = ObjectStoreSettings.env_prefix
    configured = any(name.startswith(prefix) for name in os.environ)
    store = ObjectStoreWeights(ObjectStoreSettings.load()) if configured else None
    return WeightPlaces(arguments.model_registry, store)


def model_cache() -> Path:
    """Return the folder for prepared weights: the worker's."""
    return _path("model_cache") or default_model_cache()


def _path(setting: str) -> Path | None:
    named = os.environ.get(Settings.variable(setting))
    return Path(named) if named else None
