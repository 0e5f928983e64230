"""The roles beside the owner: migrations say what they may do with tables, this says in which schema.

Only the tables in use are theirs. A rebuild's are nobody's before the switch, those that a switch put aside
nobody's after it: a grant on a table is worth nothing without its schema.
"""

WRITER, FEED, READER = "attendance_writer", "attendance_feed", "attendance_reader"
ROLES = (WRITER, FEED, READER)


def let_in(schema: str) -> str:
    """Return the statement that lets the roles use a schema."""
    return f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(ROLES)}"


def keep_out(schema: str) -> str:
    """Return the statement after which only the owner can use a schema."""
    return f"REVOKE USAGE ON SCHEMA {schema} FROM {', '.join(ROLES)}"
