"""The documentation names what exists: paths, modules, commands; and every page has its place and its width.

No server and no service: these tests read files. A code span counts as a path when it has a slash and no
space and does not begin with one (`/v1/captures` is a URL). Words in capitals in it stand for any name.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WIDTH = 140
# Each path in these is spelled from the root of the repository.
WITH_PATHS = ("CONTRIBUTING.md", "docs/tour.md", "docs/architecture.md", "docs/glossary.md")
# Of another package, and of no module: a page says NAME for any.
NOT_OURS = frozenset({"pytest", "json/tool", "benchmarks/NAME"})
# Files that a command writes.
WRITTEN = frozenset({"demo.json", "services.json"})
# Decisions are records: superseded, never edited.
RECORDS = "docs/decisions/"
FENCE = re.compile(r"^```(\w*)$\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)+/?")
FILE = re.compile(r"[\w-]+\.(?:py|sql|md|toml|yaml|json|avsc|lua|lock)")
PLACEHOLDER = re.compile(r"(?<![A-Za-z])(?!README)[A-Z][A-Z_]+(?![A-Za-z])")
# `path` (`Name`, `other_name`)
NAMES_IN_FILE = re.compile(r"`([\w./-]+)` \((`\w+`(?:, `\w+`)*)")
COMMAND = re.compile(r"python -m (\w+(?:\.\w+)*)")
TARGET = re.compile(r"(?:`|^\$ )make ([a-z-]+)", re.MULTILINE)


@cache
def files() -> frozenset[str]:
    """Every file of the repository, from its root, without what tools leave behind."""
    tops = [path for path in ROOT.iterdir() if path.name[0] != "." and path.name != "site"]
    found = [path for top in tops for path in (top, *top.rglob("*")) if path.is_file()]
    names = (path.relative_to(ROOT).as_posix() for path in found)
    return frozenset(name for name in names if "/." not in name)


def pages() -> list[str]:
    return sorted(name for name in files() if name.endswith(".md"))


def documents() -> list[str]:
    return [name for name in pages() if name != "CHANGELOG.md"]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def exists(path: str, *, below: Path = ROOT) -> bool:
    pattern = PLACEHOLDER.sub("*", path.rstrip("/"))
    return any(True for _ in below.glob(pattern))


def paths_of(page: str) -> Iterator[str]:
    for span in SPAN.findall(prose_of(page)):
        if PATH.fullmatch(span):
            yield span


@pytest.mark.parametrize("page", WITH_PATHS)
def test_every_path_of_a_map_exists(page: str) -> None:
    named = list(paths_of(page))
    assert named
    assert [path for path in named if not exists(path)] == []


def test_every_name_that_the_table_gives_of_a_file_is_in_it() -> None:
    named = NAMES_IN_FILE.findall(text_of("CONTRIBUTING.md"))
    assert len(named) >= 10
    for path, names in named:
        assert [name for name in SPAN.findall(names) if name not in text_of(path)] == [], path


@pytest.mark.parametrize("page", documents())
def test_every_file_that_a_page_names_exists(page: str) -> None:
    tops = {name.split("/")[0] for name in files()}
    names = {name.rpartition("/")[2] for name in files()}
    folder = (ROOT / page).parent
    ours = [path for path in paths_of(page) if path.split("/")[0] in tops]
    assert [path for path in ours if not exists(path) and not exists(path, below=folder)] == []
    of_ours = [
        span for span in SPAN.findall(prose_of(page)) if FILE.fullmatch(span) and not PLACEHOLDER.match(span)
    ]
    assert [name for name in of_ours if name not in names | WRITTEN] == []


@pytest.mark.parametrize("page", [page for page in documents() if page.startswith("docs/")])
def test_no_page_shortens_a_path(page: str) -> None:
    named = [path for path in paths_of(page) if FILE.fullmatch(path.rpartition("/")[2])]
    assert [path for path in named if not exists(path) and not PLACEHOLDER.search(path)] == []


@pytest.mark.parametrize("page", documents())
def test_every_module_and_target_that_a_page_names_exists(page: str) -> None:
    modules = [name.replace(".", "/") for name in COMMAND.findall(text_of(page))]
    ours = {name for name in files() if "/src/" in name}
    missing = [
        module
        for module in modules
        if not any(name.endswith((f"/src/{module}.py", f"/src/{module}/__main__.py")) for name in ours)
        and module not in NOT_OURS
    ]
    assert missing == []
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    assert set(TARGET.findall(text_of(page))) - targets == set()


def test_the_tour_quotes_lines_that_are_there() -> None:
    tour = text_of("docs/tour.md")
    quotes = [fence for fence in FENCE.finditer(tour) if fence[1] in ("python", "yaml")]
    assert len(quotes) >= 6
    for fence in quotes:
        source = SPAN.findall(tour[: fence.start()].rstrip().rpartition("\n")[2])[-1]
        lines = {line.strip() for line in text_of(source).splitlines()}
        assert [line for line in fence[2].splitlines() if line.strip() not in lines] == [], source


def test_every_page_is_in_the_navigation() -> None:
    def leaves(entry: object) -> Iterator[str]:
        match entry:
            case str():
                yield entry
            case dict():
                yield from (leaf for each in entry.values() for leaf in leaves(each))
            case list():
                yield from (leaf for each in entry for leaf in leaves(each))

    named = list(leaves(yaml.safe_load(text_of("mkdocs.yml"))["nav"]))
    assert sorted(named) == [page.removeprefix("docs/") for page in pages() if page.startswith("docs/")]


@pytest.mark.parametrize("page", [page for page in pages() if not page.startswith(RECORDS)])
def test_prose_is_narrow(page: str) -> None:
    lines = enumerate(FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text_of(page)).splitlines(), 1)
    wide = {number: len(line) for number, line in lines if len(line) > WIDTH and not line.startswith("|")}
    assert wide == {}


@pytest.mark.parametrize("page", [page for page in documents() if not page.startswith(RECORDS)])
def test_sentences_name_who_acts(page: str) -> None:
    assert not re.search("whoever", text_of(page), re.IGNORECASE)
