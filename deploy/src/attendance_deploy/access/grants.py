"""The grants that the migrations of attendance-projector give, read from their own text.

Tables change with the migrations, so their grants stand there and nowhere else; this file only reads them, to
compare the roles with `access.yaml` and to tell people which table each may touch.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib.resources import files

_GRANT = re.compile(r"^GRANT\s+([^;]+?)\s+ON\s+([^;]+?)\s+TO\s+([^;]+?);", re.MULTILINE | re.DOTALL)
_OF_COLUMNS = re.compile(r"(\w+)\s*\([^)]*\)")
_NOT_TABLES = ("SEQUENCE", "FUNCTION", "SCHEMA")

# Role to table to privileges; a privilege on some columns only is left out.
Grants = Mapping[str, Mapping[str, frozenset[str]]]


def table_grants() -> Grants:
    """Return what each role may do with whole tables."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for privileges, what, roles in _statements():
        if what.split()[0] in _NOT_TABLES:
            continue
        whole = {each.strip() for each in _OF_COLUMNS.sub("", privileges).split(",") if each.strip()}
        for role in _names(roles):
            for table in _names(what):
                found[role][table] |= whole
    return {role: {table: frozenset(of) for table, of in tables.items()} for role, tables in found.items()}


def granted_roles() -> frozenset[str]:
    """Return every role to which a migration grants anything."""
    return frozenset(role for _, _, roles in _statements() for role in _names(roles))


def _statements() -> Iterator[tuple[str, str, str]]:
    folder = files("attendance_projector").joinpath("store", "migrations", "versions")
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".sql") and not entry.name.endswith("_down.sql"):
            yield from _GRANT.findall(entry.read_text(encoding="utf-8"))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
