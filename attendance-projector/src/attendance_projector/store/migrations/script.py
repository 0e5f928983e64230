"""Run the `.sql` file of a step: in its transaction, or alone, where PostgreSQL allows no transaction."""

from pathlib import Path
from typing import Any

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_script(name: str, folder: Path = VERSIONS) -> None:
    """Run every statement of a file; it is not split, the server reads it whole."""
    # What SQLAlchemy does not execute itself does not begin its transaction.
    op.execute("SELECT 1")
    _run((folder / name).read_text(encoding="utf-8"))


def run_alone(*names: str, folder: Path = VERSIONS) -> None:
    """Run files of one statement each outside of any transaction, such as CREATE INDEX CONCURRENTLY.

    Begun again after it failed, the step finds what it left: drop an index of this name first.
    """
    for name in names:
        with op.get_context().autocommit_block():
            _run((folder / name).read_text(encoding="utf-8"))


def _run(script: str) -> None:
    adapted: Any = op.get_bind().connection.dbapi_connection
    # A prepared statement holds one command only; asyncpg's own `execute` takes a script.
    adapted.run_async(lambda connection: connection.execute(script))
