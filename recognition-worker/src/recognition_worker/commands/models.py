"""The command `models`: the registry with what each model is good for here, or one model proven."""

import argparse
from functools import partial

from rich.console import Console
from rich.table import Table

from recognition_worker.adapters.embedders.embedder_choice import load_embedder
from recognition_worker.adapters.models.packaged_models import describe_weights, prepare_models
from recognition_worker.commands.evaluate import print_json, refusing
from recognition_worker.commands.list_models import ListedModel, list_models
from recognition_worker.commands.registry_arguments import add_registry, model_cache, places_of, registry_of
from recognition_worker.settings import EmbedderChoice


def add_models(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `models`; its `execute` takes the parsed arguments and returns the exit code."""
    parser = commands.add_parser("models", help="list the models with their licence, files and thresholds")
    parser.add_argument(
        "--prove",
        metavar="MODEL",
        help="prepare and load this one (NAME or NAME@VERSION) and say how it went",
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    add_registry(parser)
    parser.set_defaults(execute=partial(refusing, _models))


def _models(arguments: argparse.Namespace) -> int:
    registry, places = registry_of(arguments), places_of(arguments)
    cache = arguments.model_cache or model_cache()
    if arguments.prove:
        manifest = registry.find(arguments.prove)
        files = prepare_models(cache, manifest, places)
        load_embedder(EmbedderChoice.DEEPFACE, files)
        found = {"model": str(manifest.model), "file": str(files.weights_file), "sha256": manifest.sha256}
        if arguments.json:
            print_json({**found, "calibrated": manifest.calibrated})
        else:
            Console().print(f"{manifest.model} loads: {files.weights_file}", soft_wrap=True)
        return 0
    listed = list_models(registry, lambda manifest: describe_weights(cache, manifest, places))
    if arguments.json:
        print_json({"models": [model.as_json() for model in listed]})
    else:
        _show(listed)
    return 0


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
