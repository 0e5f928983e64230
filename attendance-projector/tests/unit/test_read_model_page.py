"""The page about the read model names every table of the schema with its key, and no other."""

import re
from importlib.resources import files
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "read-model.md"
SCHEMA = files("attendance_projector.store.migrations").joinpath("versions/0001_read_model.sql")


def keys_of_the_schema() -> dict[str, str]:
    keys = {}
    for name, body in re.findall(r"^CREATE TABLE (\w+) \((.*?)^\)", SCHEMA.read_text(), re.M | re.S):
        whole = re.search(r"^ +PRIMARY KEY \((.*)\)", body, re.M)
        column = re.search(r"^ +(\w+) .*PRIMARY KEY", body, re.M)
        keys[name] = whole[1] if whole else column[1] if column else "none"
    return keys


def test_the_page_has_the_tables_and_keys_of_the_schema() -> None:
    page = dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", PAGE.read_text(), re.M))
    assert page == keys_of_the_schema()
    assert len(page) > 20
