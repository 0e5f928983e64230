from importlib.resources import files

import pytest

from query_api.adapters.named_queries import named_query, parse_query

NAMES = sorted(
    entry.name.removesuffix(".sql")
    for entry in files("query_api").joinpath("sql").iterdir()
    if entry.name.endswith(".sql")
)
PARTITIONED = {
    "attendance_day": "attendance_on",
    "day_explanation": "attendance_on",
    "capture AS": "occurred_at",
    "punch AS": "occurred_at",
}


def test_names_become_numbers_in_order_of_appearance() -> None:
    query = parse_query("example", "-- why\nSELECT %(b)s, %(a)s, %(b)s")
    assert query.text == "/* query-api: example */\nSELECT $1, $2, $1"
    assert query.parameters == ("b", "a")
    assert query.arguments({"a": 1, "b": 2}) == [2, 1]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_but_ping_names_its_organisation(name: str) -> None:
    """By this parameter the database learns whose rows to show; without it there would be none."""
    assert ("org_id" in named_query(name).parameters) == (name != "ping")


@pytest.mark.parametrize("values", [{"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_a_call_must_fit_its_query(values: dict[str, object]) -> None:
    with pytest.raises(KeyError):
        parse_query("example", "SELECT %(b)s, %(a)s").arguments(values)


def test_queries_of_the_same_rows_select_the_same() -> None:
    one, several = named_query("capture").text, named_query("captures").text
    selected = one.partition("*/\n")[2].partition("FROM")[0]
    assert selected.startswith("SELECT\n    capture.capture_id,")
    assert selected in several
    assert "rows:" not in one


@pytest.mark.parametrize("name", NAMES)
def test_every_query_is_commented_reads_only_and_has_its_organisation(name: str) -> None:
    raw = files("query_api").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    assert raw.startswith("-- "), "a query says what it is for"
    query = named_query(name)
    assert query.text.split("*/\n")[1].startswith("SELECT")
    assert name == "ping" or "org_id" in query.parameters


@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_a_partitioned_table_bounds_the_partition_key(name: str) -> None:
    text = named_query(name).text
    for table, key in PARTITIONED.items():
        if f"attendance.{table}" in text:
            where = text.partition("WHERE")[2]
            assert f"{key} BETWEEN $" in where or (f"{key} >= $" in where and f"{key} < $" in where)
