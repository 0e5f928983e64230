"""The command `ingest`: accept captures, enrolments and directory records until a signal says stop."""

from ingest.settings import Settings
from service_kit.command import Workers, command_line, count_of_workers, serve_until_stopped

NAME = "ingest"


def run(*, workers: Workers = None) -> None:
    """Serve until a signal says stop; the name alone does the same."""
    from ingest.service import serve_ingest
    from service_kit.errors import OverwritingStore

    count = count_of_workers(workers)
    serve_until_stopped(NAME, Settings, serve_ingest, refusals=(OverwritingStore,), workers=count)


cli = command_line(
    NAME, "Accept captures, enrolments and directory records over HTTP; publish them to Kafka.", Settings, run
)


def main() -> None:
    """Run the command."""
    cli(prog_name=NAME)


if __name__ == "__main__":
    main()
