"""Entry point of recognition-worker: settings and telemetry, then one worker until a signal says stop."""

import argparse
import asyncio
import logging
import sys

from attendance_schemas.errors import SchemaNotRegistered
from recognition_worker.commands.calibrate import add_calibrate
from recognition_worker.commands.compare import add_compare
from recognition_worker.commands.evaluate import add_evaluate
from recognition_worker.commands.keys import add_key_commands
from recognition_worker.commands.models import add_models
from recognition_worker.commands.re_enrol import add_re_enrol
from recognition_worker.commands.rollout import add_rollout
from recognition_worker.errors import KeysRefused, ModelRefused
from recognition_worker.settings import Settings
from recognition_worker.worker import SERVICE, Worker
from service_kit.errors import SettingsError
from service_kit.observing.logs import configure_logging, get_logger
from service_kit.observing.telemetry import configure_tracing
from service_kit.run import run

log = get_logger(SERVICE)

# Faust and its services tell each step of each start, stop and rebalance.
CHATTY = ("faust", "mode", "recognition_worker.adapters.faust.faust_hardened_consumer")


def _configure_telemetry(settings: Settings) -> None:
    configure_logging(SERVICE, settings.log_level, settings.log_json)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    configure_tracing(SERVICE, settings.tracing_endpoint)


def main() -> int:
    """Run a command; return 0 after its end or a signal, 2 when it must not start, 1 for any other error."""
    parser = argparse.ArgumentParser(
        prog=SERVICE, description="Captures to matches, enrolments to the gallery. Settings: see README.md."
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    parser.set_defaults(execute=_run)
    commands.add_parser("run", help="run the worker (default)")
    add_evaluate(commands)
    add_calibrate(commands)
    add_key_commands(commands)
    add_models(commands)
    add_rollout(commands)
    add_re_enrol(commands)
    add_compare(commands)
    arguments = parser.parse_args()
    code: int = arguments.execute(arguments)
    return code


def _run(_arguments: argparse.Namespace) -> int:
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return 2
    _configure_telemetry(settings)

    async def work(stopping: asyncio.Event) -> int:
        try:
            await Worker(settings, stopping).run()
        except (ModelRefused, KeysRefused, SchemaNotRegistered):
            log.exception("cannot start")
            return 2
        except Exception:
            log.exception("ended by an error; what was in hand is not committed")
            return 1
        return 0

    return run(work)


if __name__ == "__main__":
    sys.exit(main())
