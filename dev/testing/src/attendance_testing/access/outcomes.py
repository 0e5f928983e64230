"""What was tried at a server, whether access.yaml allows it, and what the server did."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

ALLOWED, REFUSED = "allowed", "refused"


class Outcome(NamedTuple):
    """One try. what: in a table's words. may: by access.yaml. did: what the server said."""

    server: str
    identity: str
    what: str
    may: bool
    did: bool

    @property
    def is_right(self) -> bool:
        """Whether the server did as the file says."""
        return self.may == self.did


def as_table(outcomes: Iterable[Outcome]) -> str:
    """Return a line for each server, identity and kind of try, with counts."""
    allowed: Counter[tuple[str, str, str]] = Counter()
    refused: Counter[tuple[str, str, str]] = Counter()
    wrong: Counter[tuple[str, str, str]] = Counter()
    rows = {}
    for each in outcomes:
        row = (each.server, each.identity, each.what.split(":")[0])
        rows[row] = None
        (allowed if each.did else refused)[row] += 1
        wrong[row] += not each.is_right
    lines = [f"{'server':<22}{'identity':<22}{'tried':<34}{ALLOWED:>8}{REFUSED:>9}{'wrong':>7}"]
    lines += [
        f"{row[0]:<22}{row[1]:<22}{row[2]:<34}{allowed[row]:>8}{refused[row]:>9}{wrong[row]:>7}"
        for row in rows
    ]
    return "\n".join(lines)


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return the figures of all in one line."""
    found = list(outcomes)
    allowed = sum(each.did for each in found)
    wrong = sum(not each.is_right for each in found)
    return (
        f"access {'ok' if not wrong else 'WRONG'}: identities={len({each.identity for each in found})}"
        f" servers={len({each.server for each in found})} allowed={allowed} refused={len(found) - allowed}"
        f" wrong={wrong}"
    )
