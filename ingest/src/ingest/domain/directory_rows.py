"""A CSV file of directory records: the id column and columns of the kind's document, one record a line.

Every line is checked before anything is recorded, and every error names its line and column. An empty cell
means the default; a column that the file does not have leaves what is recorded as it is. Lists are separated
by spaces. Source: RFC 4180, in UTF-8, with or without a byte order mark.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from pydantic import ValidationError

from attendance_schemas.events import Event, PersonRecorded
from attendance_schemas.topics import DIRECTORY
from ingest.domain.csv_lines import lines_of
from ingest.domain.directory_documents import LISTS, Kind
from ingest.domain.fields import CELLS
from ingest.domain.identifiers import IDENTIFIER
from ingest.errors import FieldError, InvalidRecord
from service_kit.fields import message_of, quoted

MAXIMUM_ROWS = 50_000
# Empty lines are skipped, but not for ever.
LINES_PER_ROW = 4
# No kind has half as many fields.
MAXIMUM_COLUMNS = 64
WHOLE_LINE = "line"
HEADER = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One record, the line of the file on which it ends, and what was recorded under its key before.

    `effective_on`: from when changed terms of a person hold, where the line says so.
    """

    line: int
    event: Event
    recorded: Event | None
    effective_on: date | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file, the non-empty cells of each line by its number, and what is wrong already."""

    columns: Sequence[str]
    lines: Sequence[tuple[int, dict[str, str]]]
    errors: Sequence[FieldError]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What every record of one file shares; `recorded` finds what stands under a key now."""

    org_id: str
    at: datetime
    new_id: Callable[[], UUID]
    recorded: Callable[[str], Event | None]


def read_table(data: bytes, kind: Kind, *, maximum_rows: int = MAXIMUM_ROWS) -> Table:
    """Return the cells of a file. Raises InvalidRecord when the file or its header cannot be read."""
    reader = csv.reader(lines_of(_text(data)), strict=True)
    columns = _columns(reader, kind)
    errors: list[FieldError] = []
    lines = list(_lines(reader, columns, maximum_rows, errors))
    if not lines and not errors:
        errors.append(FieldError(WHOLE_LINE, "the file has no records below its header", line=HEADER))
    return Table(columns, lines, errors)


def rows_of(table: Table, kind: Kind, given: Circumstances) -> tuple[list[Row], list[FieldError]]:
    """Return the records of the lines that are good, and all errors of the others."""
    rows: list[Row] = []
    errors = list(table.errors)
    absent = [name for name in kind.document.model_fields if name not in table.columns]
    missing: dict[str, int] = {}
    lines: dict[tuple[str, object], int] = {}
    for line, cells in table.lines:
        try:
            row = _row(line, dict(cells), kind, absent, given)
        except ValidationError as error:
            for found in _field_errors(error, line):
                if found.field in absent:
                    missing.setdefault(found.field, line)
                else:
                    errors.append(found)
            continue
        except FieldError as error:
            errors.append(FieldError(error.field, error.message, line=line))
            continue
        for name, value in _names_of(row.event, kind):
            if (first := lines.setdefault((name, value), line)) != line:
                errors.append(FieldError(name, f"is on line {first} too; keep one of them", line=line))
        rows.append(row)
    errors += [
        FieldError(name, f"this column is missing, and line {line} is a new record", line=HEADER)
        for name, line in missing.items()
    ]
    return rows, errors


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


def _columns(reader: "Iterator[list[str]]", kind: Kind) -> list[str]:
    try:
        found = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InvalidRecord([FieldError(WHOLE_LINE, f"is no CSV: {error}", line=HEADER)]) from error
    if len(found) > MAXIMUM_COLUMNS:
        message = f"has {len(found)} columns; no file of {kind.path} has more than {MAXIMUM_COLUMNS}"
        raise InvalidRecord([FieldError(WHOLE_LINE, message, line=HEADER)])
    known = [kind.id_field, *kind.document.model_fields]
    always = [kind.id_field, *(["effective_on"] if kind.has_versions else [])]
    errors = [
        FieldError(WHOLE_LINE, f"{quoted(name)} is no column of {kind.path}; known are {known}", line=HEADER)
        for name in found
        if name not in known
    ]
    errors += [
        FieldError(name, "this column is missing", line=HEADER) for name in always if name not in found
    ]
    errors += [
        FieldError(name, "this column is there twice", line=HEADER) for name in known if found.count(name) > 1
    ]
    if errors:
        raise InvalidRecord(errors)
    return found


def _lines(
    reader: "Iterator[list[str]]", columns: Sequence[str], maximum_rows: int, errors: list[FieldError]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number and the non-empty cells of every line that has any."""
    count = 0
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            count += any(cells)
            if count > maximum_rows or _line_of(reader) > LINES_PER_ROW * maximum_rows + 1:
                message = f"the file has more than {maximum_rows} records; split it"
                errors.append(FieldError(WHOLE_LINE, message, line=_line_of(reader)))
                return
            if not any(cells):
                continue
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                errors.append(FieldError(WHOLE_LINE, "has more cells than the header", line=_line_of(reader)))
                continue
            yield _line_of(reader), {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
    except csv.Error as error:
        message = f"is no CSV: {error}; the lines after it were not looked at"
        errors.append(FieldError(WHOLE_LINE, message, line=_line_of(reader)))


def _line_of(reader: object) -> int:
    line: int = reader.line_num  # type: ignore[attr-defined]
    return line


def _row(line: int, cells: dict[str, str], kind: Kind, absent: Sequence[str], given: Circumstances) -> Row:
    identity = cells.pop(kind.id_field, "")
    if not IDENTIFIER.fullmatch(identity):
        raise FieldError(
            kind.id_field, f"{quoted(identity)} is no id: letters, digits, dot, dash, underscore, at most 64"
        )
    recorded = given.recorded(kind.key_of(given.org_id, identity, cells.get("effective_on")))
    fields: dict[str, object] = {} if recorded is None else _as_cells(recorded, absent)
    fields |= cells
    for name in LISTS & cells.keys():
        fields[name] = cells[name].split()
    document = kind.document.model_validate(fields, context=CELLS)
    event = kind.to_event(identity, document, org_id=given.org_id, event_id=given.new_id(), at=given.at)
    return Row(line, event, recorded, getattr(document, "effective_on", None))


def _as_cells(recorded: Event, names: Sequence[str]) -> dict[str, object]:
    """Return what is recorded as the cells of a file that has these columns."""
    values = {name: getattr(recorded, name, None) for name in names}
    return {name: _as_cell(value) for name, value in values.items() if value not in {None, ()}}


def _as_cell(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case date() | time():
            return value.isoformat()
        case tuple():
            return [str(each) for each in value]
        case _:
            return str(value)


def _field_errors(error: ValidationError, line: int) -> list[FieldError]:
    return [
        FieldError(str(detail["loc"][0]) if detail["loc"] else WHOLE_LINE, message_of(detail), line=line)
        for detail in error.errors(include_url=False, include_context=False)
    ]
