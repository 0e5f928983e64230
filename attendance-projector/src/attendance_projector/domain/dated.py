"""What holds by local date: one thing now, and others before it, each until a date."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """`now` holds since the last of `earlier` was replaced; each of these until its date, exclusive."""

    now: T
    earlier: tuple[tuple[date, T], ...] = ()

    def on(self, on: date) -> T:
        """Return what holds on a local date."""
        for replaced_on, each in self.earlier:
            if on < replaced_on:
                return each
        return self.now

    def map(self, change: Callable[[T], U]) -> "Dated[U]":
        """Return what comes of each thing."""
        return Dated(change(self.now), tuple((on, change(each)) for on, each in self.earlier))

    @property
    def starts(self) -> Iterator[date]:
        """The dates from which something else holds."""
        return (replaced_on for replaced_on, _ in self.earlier)

    @property
    def all(self) -> Iterator[T]:
        """All that held once, and what holds now."""
        yield from (each for _, each in self.earlier)
        yield self.now
