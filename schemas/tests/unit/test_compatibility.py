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


def edit(folder: Path, change, name: str = "PersonRecorded") -> None:
    path = folder / f"{name}.avsc"
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


@pytest.fixture
def released_changes(current, tmp_path):
    """Today's schemas as a release, in which others read the change feed."""
    write_release(current, tmp_path / "released", "1.0.0")
    return tmp_path / "released"


def changed(schema: dict, name: str) -> dict:
    return next(field for field in schema["fields"] if field["name"] == name)


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["fields"].append({"name": "note", "type": "string", "default": ""}),
        lambda schema: changed(schema, "change")["type"]["symbols"].append("NEWER"),
    ],
    ids=["field with a default", "word of an enum that has one for what it does not know"],
)
def test_others_read_the_change_feed_on(current, released_changes, change):
    edit(current, change, "AttendanceDayChanged")
    assert incompatibilities(current, released_changes) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["fields"].remove(changed(schema, "shift_id")),
        lambda schema: (
            schema["fields"].append({"name": "note", "type": "string", "default": ""})
            or changed(schema, "revision").update(type="double")
        ),
    ],
    ids=["field removed", "type widened"],
)
def test_what_others_could_not_read_breaks_the_change_feed(current, released_changes, change):
    edit(current, change, "AttendanceDayChanged")
    (found,) = incompatibilities(current, released_changes)
    assert found.is_forward
    assert "release 1.0.0 cannot read what today's schema writes" in str(found)


def test_a_field_that_only_we_read_may_go(current, released_changes):
    edit(current, lambda schema: schema["fields"].remove(changed(schema, "display_name")))
    assert incompatibilities(current, released_changes) == []


def test_a_word_that_was_removed_is_not_read_as_unknown(current, released_changes):
    def remove(schema: dict) -> None:
        changed(schema, "outcome")["type"]["symbols"].remove("NO_FACE")

    edit(current, remove, "MatchDecided")
    (found,) = incompatibilities(current, released_changes)
    assert "NO_FACE" in str(found)


def test_releases_are_never_edited(current, tmp_path):
    released = tmp_path / "released"
    write_release(current, released, "1.0.0")
    with pytest.raises(SchemaError, match="never edited"):
        write_release(current, released, "1.0.0")
    edit(current, lambda schema: schema["fields"].append({"name": "team", "type": "string"}))
    with pytest.raises(SchemaError, match="today's schema cannot read what release"):
        write_release(current, released, "1.0.1")
    assert [release.name for release in releases(released)] == ["1.0.0"]
