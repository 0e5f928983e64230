"""The statements of the projector, in `.sql` files of named and commented statements.

A statement begins at a line `-- name: its_name` and goes on until the next.
"""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(name: str) -> dict[str, str]:
    """Return the statements of `NAME.sql` by name."""
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {key: body.strip() for key, body in zip(parts[::2], parts[1::2], strict=True)}
