"""The sizing follows what pages state, and grows as it should; its own page shows what it computes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from attendance_deploy.__main__ import cli
from attendance_deploy.sizing import measured as module
from attendance_deploy.sizing.capacity import HEADROOM, size, worker_rate
from attendance_deploy.sizing.log import log_gb, partitions_for, record_bytes
from attendance_deploy.sizing.measured import SIZING, Measured
from attendance_deploy.sizing.show import cost_rows, rows
from attendance_deploy.sizing.site import Site

ROOT = Path(__file__).parents[3]
SHOWN = (1_000, 10_000, 1_000_000)
EVERY = [
    each
    for value in vars(module).values()
    for each in (value.values() if isinstance(value, dict) else [value])
    if isinstance(each, Measured)
]


def words_of(page: str) -> str:
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("measured", EVERY, ids=lambda measured: measured.words[:40])
def test_a_figure_stands_on_its_page(measured: Measured) -> None:
    assert measured.words in words_of(measured.page)


@pytest.mark.parametrize("measured", EVERY, ids=lambda measured: measured.words[:40])
def test_a_figure_is_in_its_words(measured: Measured) -> None:
    """Or in words that mean it: a rate where the page has milliseconds, a number that is spelled out."""
    spelled = {3: "three", 1000 / 35: "35", 250: "250"}
    figures = re.findall(r"\d[\d,]*(?:\.\d+)?", measured.words)
    numbers = {float(figure.replace(",", "")) for figure in figures}
    assert measured.value in numbers or spelled.get(measured.value, "?") in measured.words


def table(heading: str) -> dict[str, list[str]]:
    """Return a table of the page, by its first column."""
    text = (ROOT / SIZING).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return {first: others for first, *others in cells if not set(first) <= {"-"}}


@pytest.mark.parametrize(("heading", "made"), [("What is needed", rows), ("What costs follow", cost_rows)])
def test_the_page_shows_what_is_computed(heading: str, made) -> None:
    shown = table(heading)
    computed = [dict(made(size(Site(people=people)))) for people in SHOWN]
    expected = {"people": [f"{people:,}" for people in SHOWN]}
    for name in computed[0]:
        expected["people of a cell" if name == "people" else name] = [column[name] for column in computed]
    assert {name: shown[name] for name in shown if name} == expected


def test_the_growth_page_agrees() -> None:
    """Its table says what a rebuild of a year takes and how large the tables are."""
    tables = {10_000: (10, 12 / 60), 100_000: (100, 2), 300_000: (300, 6), 1_000_000: (1_000, 20)}
    for people, (gigabytes, hours) in tables.items():
        database = size(Site(people=people, cells=1)).each_cell.database
        assert database.disk_gb / HEADROOM == pytest.approx(gigabytes, rel=0.15)
        assert database.rebuild_hours == pytest.approx(hours, rel=0.15)


def test_a_worker_is_as_fast_as_measured_where_it_was_measured() -> None:
    assert worker_rate("openvino-int8", 10_000) == pytest.approx(91.3)
    assert worker_rate("openvino", 10_000) < worker_rate("openvino-int8", 10_000)
    assert worker_rate("deepface", 10_000) < worker_rate("openvino", 10_000)
    assert worker_rate("openvino-int8", 1_000_000) < worker_rate("openvino-int8", 100_000)


@given(st.integers(1, 3_000_000), st.integers(1, 240))
def test_more_people_never_need_less(people: int, minutes: int) -> None:
    one, more = (
        size(Site(people=count, peak_minutes=minutes, cells=1)) for count in (people, people + 10_000)
    )
    assert more.kiosks >= one.kiosks
    for name in ("ingest", "recognition_workers", "query_api"):
        assert getattr(more.each_cell, name).count >= getattr(one.each_cell, name).count
        assert getattr(more.each_cell, name).memory_mb >= getattr(one.each_cell, name).memory_mb
    assert more.each_cell.database.disk_gb >= one.each_cell.database.disk_gb
    assert more.each_cell.partitions >= one.each_cell.partitions


@given(st.integers(1, 3_000_000), st.integers(1, 240))
def test_planned_processes_carry_the_peak_with_headroom(people: int, minutes: int) -> None:
    sizing = size(Site(people=people, peak_minutes=minutes))
    cell = sizing.each_cell
    carried = sizing.cells * cell.recognition_workers.count * cell.worker_captures_per_second
    assert carried >= sizing.peak_captures_per_second * HEADROOM * 0.999
    assert cell.partitions >= 2 * cell.recognition_workers.count or cell.partitions == 48
    assert sizing.cells * cell.people >= people


def test_a_rebuild_of_each_cell_fits_into_a_night() -> None:
    for people in (*SHOWN, 5_000_000):
        assert size(Site(people=people)).each_cell.database.rebuild_hours * HEADROOM <= 8.001


def test_few_kiosks_and_one_cell_are_told() -> None:
    assert any("queue" in note for note in size(Site(people=1_000, kiosks=1)).notes)
    assert any("in one partition" in note for note in size(Site(people=10_000, kiosks=1)).notes)
    assert any("more than a night" in note for note in size(Site(people=1_000_000, cells=1)).notes)
    assert any(
        "one projector" in note for note in size(Site(people=1_000_000, peak_minutes=5, cells=1)).notes
    )


def test_a_million_people_begin_with_the_partitions_that_the_topic_page_says() -> None:
    assert [partitions_for(2, 999_999), partitions_for(2, 1_000_000), partitions_for(25, 1)] == [48, 96, 96]
    assert size(Site(people=1_000_000, cells=1)).each_cell.partitions == 96


def test_the_log_is_sized_by_topics_and_examples() -> None:
    assert record_bytes("MatchDecided") > record_bytes("ClockTicked") > 300
    assert log_gb(2_000, 2) == pytest.approx(2 * log_gb(1_000, 2))
    assert log_gb(1_000, 4) > log_gb(1_000, 2)


def test_another_rate_replaces_the_embedder() -> None:
    fast = size(replace(Site(people=1_000_000), worker_rate=1_000.0)).each_cell
    assert fast.recognition_workers.count == 2
    assert fast.worker_captures_per_second == 1_000


def test_the_command_prints_words_and_json() -> None:
    said = CliRunner().invoke(cli, ["sizing", "--people", "10000"])
    assert said.exit_code == 0, said.output
    assert "needed:" in said.output
    assert "48" in said.output
    found = json.loads(CliRunner().invoke(cli, ["sizing", "--people", "10000", "--json"]).output)
    assert found["each_cell"]["partitions"] == 48
    assert found["cost_drivers"]["object_writes_per_month"] == 833_334
    assert CliRunner().invoke(cli, ["sizing", "--people", "0"]).exit_code == 2
