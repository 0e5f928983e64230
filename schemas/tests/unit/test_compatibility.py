import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from attendance_schemas.compatibility import incompatibilities, releases, write_release
from attendance_schemas.errors import SchemaError

SCHEMAS = Path(str(files("attendance_schemas").joinpath("avro"))).resolve()
RELEASED = SCHEMAS.parent / "released"


@pytest.fixture
def current(tmp_path):
    folder = tmp_path / "avro"
    shutil.copytree(SCHEMAS, folder)
    return folder


def edit(folder: Path, change) -> None:
    path = folder / "PersonRecorded.avsc"
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema))


def test_todays_schemas_read_every_release():
    assert releases(RELEASED)
    assert incompatibilities(SCHEMAS, RELEASED) == []


def test_field_with_default_may_be_added(current):
    edit(current, lambda schema: schema["fields"].append({"name": "team", "type": "string", "default": ""}))
    assert incompatibilities(current, RELEASED) == []


def test_field_without_default_breaks(current):
    edit(current, lambda schema: schema["fields"].append({"name": "team", "type": "string"}))
    (found,) = incompatibilities(current, RELEASED)
    assert found.event_name == "PersonRecorded"
    assert "team" in str(found)


def test_removed_symbol_and_removed_schema_break(current):
    path = current / "MatchDecided.avsc"
    path.write_text(path.read_text().replace('"NO_FACE",', ""))
    (current / "SiteRecorded.avsc").unlink()
    assert {found.event_name for found in incompatibilities(current, RELEASED)} == {
        "MatchDecided",
        "SiteRecorded",
    }


def test_releases_are_never_edited(current, tmp_path):
    released = tmp_path / "released"
    write_release(current, released, "1.0.0")
    with pytest.raises(SchemaError, match="never edited"):
        write_release(current, released, "1.0.0")
    edit(current, lambda schema: schema["fields"].append({"name": "team", "type": "string"}))
    with pytest.raises(SchemaError, match="cannot read release"):
        write_release(current, released, "1.0.1")
    assert [release.name for release in releases(released)] == ["1.0.0"]
