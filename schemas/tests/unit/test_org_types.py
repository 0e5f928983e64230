from datetime import time
from pathlib import Path

import pytest
import yaml

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import Weekday
from attendance_schemas.org_types import USUAL_TYPE, TypePolicy, load_org_types, org_type

GYM = {
    "description": "A gym.",
    "labels": {
        thing: {"one": thing, "many": thing + "s"}
        for thing in ("organisation", "person", "site", "shift", "capture", "attendance_day")
    },
    "roles": {"ops": "Front desk"},
    "policy": {"weekly_offs": ["SUN"], "flexible_day_start": "04:30:00", "expects_attendance": False},
}


def written(folder: Path, **changes: object) -> Path:
    fields = {name: value for name, value in (GYM | changes).items() if value is not None}
    (folder / "gym.yaml").write_text(yaml.safe_dump(fields))
    return folder


def test_the_types_of_the_package() -> None:
    types = load_org_types()
    assert sorted(types) == ["clinic", "company", "event", "plant", "school"]
    # An organisation without a type is as it was before there were types.
    assert types[USUAL_TYPE].policy is None
    assert types["school"].labels.person.many == "pupils"
    assert types["school"].policy == TypePolicy(
        weekly_offs=(Weekday.SAT, Weekday.SUN), expects_attendance=True
    )
    assert types["clinic"].policy == TypePolicy(flexible_day_start=time(6), expects_attendance=True)


def test_a_type_is_added_by_a_file(tmp_path: Path) -> None:
    types = load_org_types(written(tmp_path))
    assert types.keys() - load_org_types().keys() == {"gym"}
    assert types["gym"].policy == TypePolicy(weekly_offs=(Weekday.SUN,), flexible_day_start=time(4, 30))


def test_an_unknown_type_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"'gim' is no type.*clinic, company, event, gym, plant, school"):
        org_type(load_org_types(written(tmp_path)), "gim")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "gym.yaml.*unknown field `colour`"),
        ({"labels": {"person": {"one": "x", "many": "y"}}}, "gym.yaml.*labels"),
        ({"labels": None}, "gym.yaml.*missing required field `labels`"),
        ({"roles": {"janitor": "x"}}, "gym.yaml.*janitor"),
        ({"policy": {"weekly_offs": ["SOMEDAY"]}}, "gym.yaml.*SOMEDAY"),
        ({"policy": {"flexible_day_start": "5 am"}}, "gym.yaml.*flexible_day_start"),
        ({"description": ""}, "gym.yaml.*description"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    with pytest.raises(SchemaError, match=named):
        load_org_types(written(tmp_path, **changes))


def test_a_folder_can_neither_be_missing_nor_take_a_name(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no folder"):
        load_org_types(tmp_path / "none")
    written(tmp_path)
    (tmp_path / "school.yaml").write_bytes((tmp_path / "gym.yaml").read_bytes())
    with pytest.raises(SchemaError, match="school is a type already"):
        load_org_types(tmp_path)
    (tmp_path / "school.yaml").rename(tmp_path / "My School.yaml")
    with pytest.raises(SchemaError, match="small letters"):
        load_org_types(tmp_path)


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "gym.yaml").write_text("{")
    with pytest.raises(SchemaError, match=r"gym\.yaml"):
        load_org_types(tmp_path)
