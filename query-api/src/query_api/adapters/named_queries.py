"""The queries of this service: one commented file each in `query_api/sql`, with named parameters.

A line `-- rows: NAME` stands for `sql/rows/NAME.sql`, what several queries share; it may have some itself.
Names of parameters become PostgreSQL's numbers here, so that a query and its call cannot disagree about an
order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_PARAMETER = re.compile(r"%\((\w+)\)s")
_ROWS = re.compile(r"^-- rows: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query with `$n` parameters and their names in order."""

    name: str
    text: str
    parameters: tuple[str, ...]

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of the parameters. Raises KeyError for one missing or unused."""
        if unused := values.keys() - set(self.parameters):
            raise KeyError(f"query {self.name} has no parameter {', '.join(sorted(unused))}")
        return [values[name] for name in self.parameters]


def parse_query(name: str, text: str) -> NamedQuery:
    """Return the query of a file's text, its comments left out."""
    parameters = tuple(dict.fromkeys(_PARAMETER.findall(text)))
    numbers = {parameter: f"${number}" for number, parameter in enumerate(parameters, start=1)}
    numbered = _PARAMETER.sub(lambda match: numbers[match.group(1)], text)
    lines = [line for line in numbered.splitlines() if not line.startswith("--")]
    # The name shows in pg_stat_activity and in slow query logs.
    return NamedQuery(name, f"/* query-api: {name} */\n" + "\n".join(lines), parameters)


@cache
def named_query(name: str) -> NamedQuery:
    """Return the query of `sql/NAME.sql`."""
    return parse_query(name, _included(_read(name)))


def _included(text: str) -> str:
    return _ROWS.sub(lambda rows: _included(_read("rows", rows[1])), text)


def _read(*path: str) -> str:
    return files("query_api").joinpath("sql", *path[:-1], f"{path[-1]}.sql").read_text(encoding="utf-8")
