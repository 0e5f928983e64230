"""`python -m ingest`: read the settings, start, serve until SIGTERM."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from ingest.service import run_service
from ingest.settings import Settings
from service_kit.errors import SettingsError
from service_kit.observing.logs import configure_logging, get_logger
from service_kit.observing.telemetry import configure_tracing
from service_kit.run import run

NAME = "ingest"
USAGE_ERROR = 2


def _parser() -> argparse.ArgumentParser:
    own = "\n".join(
        f"  {Settings.variable(name)}  {field.description or ''} (default {field.default})"
        for name, field in Settings.model_fields.items()
        if field.default_factory is None
    )
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Accept captures, enrolments and directory records over HTTP and publish them to Kafka.",
        epilog=f"Settings come from the environment, see README.md:\n{own}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check-config", action="store_true", help="check the settings and exit")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ingest and return the exit code: 0 after a stop, 1 after a failure, 2 for wrong settings."""
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR
    if arguments.check_config:
        sys.stdout.write("the settings are complete\n")
        return 0
    configure_logging(NAME, settings.log_level, settings.log_json)
    configure_tracing(NAME, settings.tracing_endpoint)
    try:
        return run(partial(run_service, settings))
    except Exception as error:  # noqa: BLE001 - the end of the process: log it, say so by the exit code
        get_logger(__name__).critical("ingest ends because of a failure", exc_info=error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
