"""`recognition-worker`: the worker by `run` or the bare name, and the commands of its operators."""

from recognition_worker.commands.calibrate import SeveralTargets, calibrate
from recognition_worker.commands.compare import compare
from recognition_worker.commands.evaluate import evaluate
from recognition_worker.commands.go_on_from import go_on_from
from recognition_worker.commands.keys import new_key, re_encrypt
from recognition_worker.commands.models import models
from recognition_worker.commands.re_enrol import re_enrol
from recognition_worker.commands.rollout import steps
from recognition_worker.settings import SERVICE, Settings
from service_kit.command import command_line, serve_until_stopped
from service_kit.errors import SettingsError


def run() -> None:
    """Run the worker until a signal says stop."""
    from attendance_schemas.errors import SchemaNotRegistered
    from recognition_worker.composition.worker import run_worker
    from recognition_worker.errors import KeysRefused, ModelRefused, PositionsLost

    refusals = (ModelRefused, KeysRefused, PositionsLost, SchemaNotRegistered)
    serve_until_stopped(SERVICE, Settings, run_worker, refusals=refusals)


def check_models(settings: Settings) -> None:
    """Look for the model and its thresholds, as a worker does at its start."""
    from recognition_worker.composition.lanes import read_manifests
    from recognition_worker.errors import ModelRefused

    try:
        read_manifests(settings)
    except ModelRefused as error:
        named = ", ".join(map(Settings.variable, ("model", "model_registry", "calibration")))
        raise SettingsError(f"{named}: {error}") from error


cli = command_line(
    SERVICE, "Captures to matches, enrolments to the gallery.", Settings, run, check=check_models
)
cli.command("evaluate")(evaluate)
cli.command("calibrate", cls=SeveralTargets)(calibrate)
cli.command("new-key")(new_key)
cli.command("re-encrypt")(re_encrypt)
cli.command("models")(models)
cli.command("go-on-from")(go_on_from)
cli.add_typer(steps, name="rollout")
cli.command("re-enrol")(re_enrol)
cli.command("compare")(compare)

if __name__ == "__main__":
    cli()
