"""Ids follow from texts, and every text that records may name is kept."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.schema_files import (
    id_of_text,
    missing_ids,
    number,
    one_line,
    registered_texts,
    schema_text,
)

SCHEMAS = Path(str(files("attendance_schemas").joinpath("avro"))).resolve().parent


@pytest.fixture
def folders(tmp_path):
    for name in ("avro", "registered", "released"):
        shutil.copytree(SCHEMAS / name, tmp_path / name)
    return tmp_path


def problems(folder: Path) -> list[str]:
    return missing_ids(folder / "registered", folder / "avro", *(folder / "released").iterdir())


def test_every_schema_of_today_and_of_each_release_has_its_id():
    assert problems(SCHEMAS) == []
    assert {id_of_text(schema_text(name)) for name in EVENT_BY_NAME} <= registered_texts().keys()


def test_an_id_is_what_it_was_yesterday():
    # Records on the topics say this number; another one makes them unreadable.
    released = (SCHEMAS / "released" / "0.1.0" / "MatchDecided.avsc").read_text()
    assert id_of_text(one_line(released)) == 4487967


def test_a_changed_schema_needs_an_id_and_gets_one(folders):
    path = folders / "avro" / "PersonRecorded.avsc"
    schema = json.loads(path.read_text())
    schema["doc"] = "Another."
    path.write_text(json.dumps(schema))
    assert problems(folders) == ["avro/PersonRecorded.avsc has no id; run `attendance-schemas number`"]
    (written,) = number(folders / "avro", folders / "registered")
    assert written.stem == str(id_of_text(json.dumps(schema)))
    assert problems(folders) == []
    assert number(folders / "avro", folders / "registered") == []


def test_a_kept_text_is_never_changed(folders):
    path = next((folders / "registered" / "MatchDecided").iterdir())
    path.write_text(path.read_text().replace("recognition decided", "recognition thought"))
    said = f"MatchDecided/{path.name} was changed; records name this id: put the text back"
    assert said in problems(folders)


def test_two_texts_with_one_id_are_refused(folders):
    path = folders / "registered" / "MatchDecided" / f"{id_of_text(schema_text('MatchDecided'))}.avsc"
    path.write_text('"string"')
    with pytest.raises(SchemaError, match="another schema has its id"):
        number(folders / "avro", folders / "registered")
