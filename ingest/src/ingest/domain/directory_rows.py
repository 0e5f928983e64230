"""A CSV file of directory records: the id column and the columns of the kind's document, one record a line.

Every line is checked before anything is recorded, and every error names its line and column. An empty cell
means the default. Lists are separated by spaces. Source: RFC 4180, in UTF-8, with or without a byte order
mark.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from attendance_schemas.events import Event, PersonRecorded
from attendance_schemas.topics import DIRECTORY
from ingest.domain.directory_documents import LISTS, Kind
from ingest.domain.fields import CELLS
from ingest.domain.identifiers import IDENTIFIER
from ingest.errors import FieldError, InvalidRecord
from service_kit.fields import message_of, quoted

MAXIMUM_ROWS = 50_000
WHOLE_LINE = "line"


@dataclass(frozen=True, slots=True)
class Row:
    """One record and the line of the file on which it ends."""

    line: int
    event: Event


def parse_rows(
    data: bytes,
    kind: Kind,
    *,
    org_id: str,
    at: datetime,
    new_id: Callable[[], UUID],
    maximum_rows: int = MAXIMUM_ROWS,
) -> list[Row]:
    """Return the records of a file. Raises InvalidRecord with all errors of form."""
    reader = csv.DictReader(io.StringIO(_text(data), newline=""), strict=True)
    _check_columns(reader, kind)
    rows: list[Row] = []
    errors: list[FieldError] = []
    lines: dict[tuple[str, object], int] = {}
    for line, cells in _cells(reader, maximum_rows):
        try:
            event = _to_event(cells, kind, org_id=org_id, at=at, event_id=new_id())
        except ValidationError as error:
            errors.extend(_field_errors(error, line))
            continue
        except FieldError as error:
            errors.append(FieldError(error.field, error.message, line=line))
            continue
        for name, value in _names_of(event, kind):
            if (first := lines.setdefault((name, value), line)) != line:
                errors.append(FieldError(name, f"is on line {first} too; keep one of them", line=line))
        rows.append(Row(line, event))
    if errors:
        raise InvalidRecord(errors)
    if not rows:
        raise InvalidRecord([FieldError(WHOLE_LINE, "the file has no records below its header", line=1)])
    return rows


def _names_of(event: Event, kind: Kind) -> list[tuple[str, object]]:
    """Return what no other line of the file may name: the record, and a badge."""
    badge = event.badge if isinstance(event, PersonRecorded) else None
    return [(kind.id_field, DIRECTORY.key_of(event)), *([] if badge is None else [("badge", badge)])]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidRecord(
            [FieldError(WHOLE_LINE, "is not UTF-8; save the file as UTF-8", line=line)]
        ) from error


def _check_columns(reader: "csv.DictReader[str]", kind: Kind) -> None:
    try:
        found = list(reader.fieldnames or ())
    except csv.Error as error:
        raise InvalidRecord([FieldError(WHOLE_LINE, f"is no CSV: {error}", line=1)]) from error
    known = [kind.id_field, *kind.document.model_fields]
    required = [name for name, column in kind.document.model_fields.items() if column.is_required()]
    errors = [
        FieldError(name, f"is no column of {kind.path}; known are {known}", line=1)
        for name in found
        if name not in known
    ]
    errors += [
        FieldError(name, "this column is missing", line=1)
        for name in [kind.id_field, *required]
        if name not in found
    ]
    errors += [
        FieldError(name, "this column is there twice", line=1) for name in set(found) if found.count(name) > 1
    ]
    if errors:
        raise InvalidRecord(errors)


def _cells(reader: "csv.DictReader[str]", maximum_rows: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the non-empty cells of every record."""
    try:
        for count, record in enumerate(reader, start=1):
            if count > maximum_rows:
                message = f"the file has more than {maximum_rows} records; split it"
                raise InvalidRecord([FieldError(WHOLE_LINE, message, line=reader.line_num)])
            if None in record:
                raise InvalidRecord(
                    [FieldError(WHOLE_LINE, "has more cells than the header", line=reader.line_num)]
                )
            yield (
                reader.line_num,
                {name: cell.strip() for name, cell in record.items() if cell and cell.strip()},
            )
    except csv.Error as error:
        raise InvalidRecord(
            [FieldError(WHOLE_LINE, f"is no CSV: {error}", line=reader.reader.line_num)]
        ) from error


def _to_event(cells: dict[str, str], kind: Kind, *, org_id: str, at: datetime, event_id: UUID) -> Event:
    identity = cells.pop(kind.id_field, "")
    if not IDENTIFIER.fullmatch(identity):
        raise FieldError(
            kind.id_field, f"{quoted(identity)} is no id: letters, digits, dot, dash, underscore, at most 64"
        )
    fields: dict[str, object] = dict(cells)
    for name in LISTS & cells.keys():
        fields[name] = cells[name].split()
    document = kind.document.model_validate(fields, context=CELLS)
    return kind.to_event(identity, document, org_id=org_id, event_id=event_id, at=at)


def _field_errors(error: ValidationError, line: int) -> list[FieldError]:
    return [
        FieldError(str(detail["loc"][0]) if detail["loc"] else WHOLE_LINE, message_of(detail), line=line)
        for detail in error.errors(include_url=False, include_context=False)
    ]
