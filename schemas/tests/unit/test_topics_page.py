"""The page for operators says what the files say."""

import json
import re
from pathlib import Path

from attendance_schemas.apply import all_topics
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.schema_files import schema_text
from attendance_schemas.topics import TOPICS
from attendance_testing.schema_enums import enums_of

PAGE = (Path(__file__).parents[3] / "docs/operations/topics.md").read_text(encoding="utf-8")


def rows_after(heading: str) -> list[list[str]]:
    """Return the cells of the table with this heading."""
    lines = PAGE.partition(heading + "\n")[2].splitlines()[1:]
    table = lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_table_of_topics() -> None:
    rows = rows_after("| topic | partitions | kept | key |")
    said = {name.strip("`"): (int(count), kept) for name, count, kept, _ in rows}
    assert said == {topic.name: (topic.partitions, topic.kept) for topic in TOPICS.values()}


def test_what_is_said_of_dead_letters() -> None:
    dead_letters = {(topic.partitions, topic.kept) for topic in all_topics() if topic.name.endswith(".dlq")}
    assert dead_letters == {(3, "kept 60 days")}
    assert "3 partitions, kept 60 days" in PAGE


def test_the_table_of_words_for_what_a_reader_does_not_know() -> None:
    enums = [enum for name in EVENT_BY_NAME for enum in enums_of(json.loads(schema_text(name)))]
    *rows, others = rows_after("| enum | a newer word reads as |")
    said = {enum.strip("`"): re.findall("`([A-Z]+)`", word)[0] for enum, word in rows}
    assert said == {enum["name"]: enum["default"] for enum in enums if "default" in enum}
    assert others[0] == "all others"
