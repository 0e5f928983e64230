"""Run a revision's `.sql` file as it is, inside the transaction of the migration."""

from pathlib import Path
from typing import Any

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_script(name: str) -> None:
    """Run every statement of `versions/NAME`; the file is not split, the server reads it whole."""
    script = (VERSIONS / name).read_text(encoding="utf-8")
    adapted: Any = op.get_bind().connection.dbapi_connection
    # A prepared statement holds one command only; asyncpg's own `execute` takes a script.
    adapted.run_async(lambda connection: connection.execute(script))
