"""Pages by key: a page asks for one row more than it shows, and so knows whether another page follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from query_api.domain.cursor import Key, KeyValue, decode_cursor, encode_cursor

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many rows, and after which cursor."""

    limit: int
    cursor: str | None = None

    @property
    def fetch_count(self) -> int:
        """Return how many rows to read: one more than shown."""
        return self.limit + 1

    def after(self, filters: Mapping[str, object], parse: Callable[..., Key]) -> Key | None:
        """Return the key to go on after, None on the first page. Raises InvalidCursor."""
        return None if self.cursor is None else decode_cursor(self.cursor, filters, parse)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in order, and the cursor of the next page, None on the last."""

    items: Sequence[Row]
    next_cursor: str | None


def page_of(
    rows: Sequence[Row],
    request: PageRequest,
    *,
    key: Callable[[Row], tuple[KeyValue, ...]],
    filters: Mapping[str, object],
) -> Page[Row]:
    """Return the page of these rows, of which `request.fetch_count` were asked for."""
    shown = rows[: request.limit]
    more = len(rows) > request.limit
    return Page(shown, encode_cursor(key(shown[-1]), filters) if more else None)
