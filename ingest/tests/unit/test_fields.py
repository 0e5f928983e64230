"""Every field of everything that ingest is sent, found by walking the models: a new one cannot forget it."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import ingest.app  # noqa: F401 - imports every model
from ingest.domain.directory_documents import KINDS, PersonDocument
from ingest.domain.fields import CELLS
from service_kit.environment import EnvironmentSettings

UNREADABLE = ("a\x00b", "a\nb", "a\x9bb", "a\ud800b", "a\u202eb", "a\u2067b", "\u200b", "a" * 100_000)


def sent() -> Iterator[type[BaseModel]]:
    """Yield the models of bodies; those of answers are named so, and settings are text of the environment."""
    waiting = [BaseModel]
    while waiting:
        model = waiting.pop()
        if issubclass(model, EnvironmentSettings):
            continue
        waiting += model.__subclasses__()
        if model.__module__.startswith("ingest.") and not model.__name__.endswith("Answer"):
            yield model


FIELDS = [
    pytest.param(info, id=f"{model.__name__}.{name}")
    for model in sorted(set(sent()), key=lambda each: each.__name__)
    for name, info in model.model_fields.items()
]


def kinds_in(annotation: Any) -> set[Any]:
    """Return the types of which an annotation is made."""
    if get_origin(annotation) is Annotated:
        return kinds_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType, tuple, frozenset, list):
        return set().union(*(kinds_in(each) for each in get_args(annotation) if each is not Ellipsis))
    return {annotation}


def is_accepted(info: Any, value: object) -> bool:
    try:
        TypeAdapter(info.rebuild_annotation()).validate_python(value)
    except ValidationError:
        return False
    return True


def test_every_document_is_walked() -> None:
    walked = set(sent())
    assert {kind.document for kind in KINDS.values()} < walked
    assert len(FIELDS) > 80


@pytest.mark.parametrize("info", FIELDS)
@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: ascii(text[:4]))
def test_no_field_takes_text_that_nobody_can_read(info: Any, text: str) -> None:
    assert not is_accepted(info, text)
    assert not is_accepted(info, [text])


@pytest.mark.parametrize("info", FIELDS)
def test_counts_and_flags_are_what_json_says(info: Any) -> None:
    kinds = kinds_in(info.rebuild_annotation())
    if int in kinds:
        assert not any(
            is_accepted(info, value) for value in ("10", 10.0, True, "true", ["10"], [10.0], [True])
        )
    if bool in kinds:
        assert not any(is_accepted(info, value) for value in ("true", "yes", 1, 0, 1.0))


@pytest.mark.parametrize("info", FIELDS)
@pytest.mark.parametrize(
    "value",
    ["2026-W10-1", "20260302", "٢٠٢٦-٠٣-٠٢", 20260302, 1767225600.0, "1767225600", "2026-W10-1T08:00Z"],
)
def test_no_field_guesses_a_date(info: Any, value: object) -> None:
    kinds = {kind.__name__ for kind in kinds_in(info.rebuild_annotation()) if isinstance(kind, type)}
    if kinds & {"date", "datetime"}:
        assert not is_accepted(info, value)


@pytest.mark.parametrize(("cell", "active"), [("true", True), ("No", False), ("1", True), ("FALSE", False)])
def test_cells_are_text(cell: str, active: bool) -> None:
    cells = {"home_site_id": "pune", "display_name": "Asha", "active": cell}
    assert PersonDocument.model_validate(cells, context=CELLS).active is active


@pytest.mark.parametrize("cell", ["10.0", "1e2", "1_0", "٣", "0x1", "ten"])
def test_a_cell_that_is_no_number_is_refused(cell: str) -> None:
    cells = {"effective_on": "2026-01-01", "name": "Day", "start": "08:00", "end": "16:00"}
    document = KINDS["shifts"].document
    assert document.model_validate(cells | {"break_minutes": "30"}, context=CELLS).break_minutes == 30
    with pytest.raises(ValidationError, match="is no whole number"):
        document.model_validate(cells | {"break_minutes": cell}, context=CELLS)
