"""The cases of every operation: one's own, an id of others too, another site, another organisation, nobody.

Of each operation, every field that names something is tried alone, with all others one's own; with `pairs`,
every two of them as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from attendance_testing.tenancy.operations import OPERATIONS, Operation, Request

OWN, SHARED, ELSEWHERE, THEIRS, NOBODYS = "a", "1", "2", "b", "x"
SITELESS = {"shift", "lock", "organisation"}


@dataclass(frozen=True, slots=True)
class Case:
    """A request and whether it is to be accepted. `alike`: cases of one text are answered alike."""

    operation: Operation
    request: Request
    is_accepted: bool
    what: str
    alike: str | None = None


def cases(*, pairs: bool = False) -> list[Case]:
    """Return every case; what is deleted comes last."""
    made = [case for operation in OPERATIONS for case in _of(operation, pairs=pairs)]
    return sorted(made, key=lambda case: (case.request.method == "DELETE", case.operation.whole))


def _of(operation: Operation, *, pairs: bool) -> Iterator[Case]:
    own = dict.fromkeys(operation.named, OWN)
    for suffix in (OWN, SHARED):
        ids = dict.fromkeys(operation.named, suffix)
        yield Case(operation, operation.make(ids), is_accepted=True, what=f"all {suffix}")
    if operation.whole:
        limited = replace(operation.make(own), sites=("site-1",))
        yield Case(operation, limited, is_accepted=False, what="a token for one site")
    for size in (1, 2) if pairs else (1,):
        for fields in combinations(operation.named, size):
            for suffix in (ELSEWHERE, THEIRS, NOBODYS):
                if any(_is_skipped(operation, name, suffix) for name in fields):
                    continue
                ids = own | dict.fromkeys(fields, suffix)
                is_accepted = all(_may(operation, name, suffix) for name in fields)
                alike = f"{operation.method} {operation.path} {fields}" if suffix != ELSEWHERE else None
                what = f"{', '.join(fields)} {suffix}"
                yield Case(operation, operation.make(ids), is_accepted, what, alike)


def _is_skipped(operation: Operation, name: str, suffix: str) -> bool:
    """Leave out another site of what has none, and whom a device serves although they live elsewhere."""
    if suffix != ELSEWHERE:
        return False
    return operation.whole or operation.named[name] in SITELESS or name in operation.serves_all


def _may(operation: Operation, name: str, suffix: str) -> bool:
    return suffix != ELSEWHERE and (name == operation.creates or name in operation.serves_all)
