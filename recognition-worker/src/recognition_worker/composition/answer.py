"""What a command found out, for people or for scripts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """show prints it for people; as_json returns plain values."""

    show: Callable[[], None]
    as_json: Callable[[], Mapping[str, object]]
