"""What senders note: a line before the first try and one after the answer, written before they go on."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self


class JournalWriter:
    """Appends JSON lines; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def note(self, event: str, **facts: object) -> None:
        """Write one line; an instant is given as text with its offset."""
        self._file.write(json.dumps({"event": event, **facts}) + "\n")
        self._file.flush()
