"""The command `query-api`: answer questions about attendance until a signal says stop."""

from query_api.settings import Settings
from service_kit.command import Workers, command_line, count_of_workers, serve_until_stopped

NAME = "query-api"


def run(*, workers: Workers = None) -> None:
    """Serve until a signal says stop; the name alone does the same."""
    from query_api.service import serve_queries

    serve_until_stopped(NAME, Settings, serve_queries, workers=count_of_workers(workers))


cli = command_line(NAME, "The read-only API over attendance.", Settings, run)


def main() -> None:
    """Run the command."""
    cli(prog_name=NAME)


if __name__ == "__main__":
    main()
