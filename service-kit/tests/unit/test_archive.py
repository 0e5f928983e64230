"""What a file of the archive is, without a server: its bytes, and which offsets it has to explain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.archive.container import read_container, write_container
from service_kit.archive.draft import Chain, Draft, Limits
from service_kit.archive.manifest import Manifest, Series, manifest_of, unexplained
from service_kit.archive.whole_log import WholeLog
from service_kit.errors import ArchiveBroken
from service_kit.kafka.records import Record
from service_kit.settings import KafkaSettings

SERIES = Series(topic="t.things", topic_id=UUID(int=7), cluster_id="c", partition=3)
FIRST_MS = 1_700_000_000_000
optional_bytes = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=3).map(tuple)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """A file that begins anywhere, with records and gaps in any order."""
    draft = Draft(SERIES, Chain(draw(st.integers(0, 10**12)), latest_ms=FIRST_MS), Limits())
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            draft.miss(
                draft.next_offset + draw(st.integers(1, 5)),
                draw(st.sampled_from(["lost", "absent", "before"])),
            )
        else:
            at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=draw(st.integers(0, 4 * FIRST_MS)))
            draft.add(
                Record(
                    SERIES.topic,
                    3,
                    draft.next_offset,
                    draw(optional_bytes),
                    draw(optional_bytes),
                    draw(headers),
                    at,
                )
            )
    return draft


@given(drafts())
def test_a_file_gives_back_what_went_into_it(draft: Draft) -> None:
    contents = draft.contents()
    data = write_container(contents, draft.records)
    assert read_container("name", data) == (contents, draft.records)
    # Whoever writes the same records writes the same bytes.
    assert write_container(contents, draft.records) == data
    assert contents.latest_ms_so_far >= max(FIRST_MS, contents.latest_ms or 0)
    assert manifest_of(contents, data).fits(data)
    assert not manifest_of(contents, data).fits(data + b"x")


@given(drafts(), st.data())
def test_every_offset_has_to_be_there_once(draft: Draft, data: st.DataObject) -> None:
    contents, offsets = draft.contents(), [each.offset for each in draft.records]
    assert unexplained(contents, offsets) == []
    if not offsets:
        return
    number = data.draw(st.integers(0, len(offsets) - 1))
    without = offsets[:number] + offsets[number + 1 :]
    assert offsets[number] in unexplained(contents, without)
    assert unexplained(contents, sorted([*offsets, offsets[number]]))
    assert unexplained(contents, [*offsets, contents.next_offset])
    if len(offsets) > 1:
        assert unexplained(contents, offsets[::-1])


def test_a_snapshot_may_have_any_gap_but_only_rising_offsets_of_its_range() -> None:
    series = SERIES.model_copy(update={"snapshot_end": 90})
    draft = Draft(series, Chain(10), Limits())
    draft.reach(90)
    contents = draft.contents(is_last=True)
    assert unexplained(contents, [10, 12, 89]) == []
    for wrong in ([9], [12, 12], [12, 11], [90]):
        assert unexplained(contents, wrong)


def test_a_file_is_full_by_records_or_by_bytes() -> None:
    record = Record(SERIES.topic, 3, 0, b"key", b"x" * 1000, (), datetime.now(UTC))
    by_records, by_bytes = Draft(SERIES, Chain(), Limits(1)), Draft(SERIES, Chain(), Limits(9, 1000))
    for draft in (by_records, by_bytes):
        assert draft.is_empty
        assert not draft.is_full
        draft.add(record)
        assert draft.is_full


def test_names_keep_the_order_of_offsets_and_topics_apart() -> None:
    names = [SERIES.data_name(offset) for offset in (0, 9, 10, 99, 10**12)]
    assert names == sorted(names)
    again = SERIES.model_copy(update={"topic_id": UUID(int=8)})
    assert not again.data_name(0).startswith(SERIES.folder)


@pytest.mark.parametrize("data", [b"", b"Obj\x01", b"no container at all"])
def test_what_is_no_file_of_the_archive_is_said(data: bytes) -> None:
    with pytest.raises(ArchiveBroken, match="some-name"):
        read_container("some-name", data)


class Manifests:
    """The manifests of a series; counts how many are asked for."""

    def __init__(self, made: list[Manifest]) -> None:
        self.made = {each.contents.first_offset: each for each in made}
        self.asked = 0

    async def firsts(self, _series: Series) -> list[int]:
        return sorted(self.made)

    async def manifest(self, _series: Series, first: int) -> Manifest:
        self.asked += 1
        return self.made[first]


@given(st.sets(st.integers(0, 499), max_size=4), st.integers(0, 999), st.integers(1, 1000))
def test_gaps_are_found_by_few_questions(with_gap: set[int], start: int, count: int) -> None:
    made, chain = [], Chain()
    for number in range(500):
        draft = Draft(SERIES, chain, Limits())
        if number in with_gap:
            draft.miss(draft.next_offset + 1, "lost")
        else:
            draft.miss(draft.next_offset + 1, "absent")
        draft.miss(draft.next_offset + 1, "absent")
        made.append(manifest_of(draft.contents(), b""))
        chain = Chain.after(made[-1])
    manifests = Manifests(made)
    whole = WholeLog(KafkaSettings(bootstrap_servers="none:1"), manifests)  # type: ignore[arg-type]
    until = min(start + count, chain.next_offset)
    found = asyncio.run(whole._gaps(SERIES, start, until)) or []
    lost = {gap.first for gap in found if gap.why == "lost"}
    assert lost == {2 * number for number in with_gap if start // 2 <= number and 2 * number < until}
    assert manifests.asked <= 2 + 12 * max(1, len(with_gap))
