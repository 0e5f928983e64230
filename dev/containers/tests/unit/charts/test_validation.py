from typing import Any

import pytest

from attendance_containers.charts.validation import problems

KIND = ("example.org/v1", "Thing")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer"},
                "port": {
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                    "x-kubernetes-int-or-string": True,
                },
                "anything": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {},
                },
                "list": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
            },
        },
    },
}


def thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": KIND[0], "kind": KIND[1], "metadata": {"name": "one"}, "spec": spec}


def test_what_the_operator_takes_is_right() -> None:
    right = thing(size=1, port="http", anything={"b": 1}, list=[{"a": "x"}])
    assert list(problems(right, {KIND: SCHEMA})) == []


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({}, "'size' is a required property"),
        ({"size": "1"}, "is not of type 'integer'"),
        ({"size": 1, "colour": 2}, "'colour' was unexpected"),
        ({"size": 1, "list": [{"b": "x"}]}, "'b' was unexpected"),
    ],
)
def test_what_the_operator_would_refuse_or_drop_is_wrong(spec: dict[str, Any], word: str) -> None:
    (problem,) = problems(thing(**spec), {KIND: SCHEMA})
    assert problem.startswith("Thing one: ") and word in problem


def test_a_kind_that_nobody_defines_is_wrong() -> None:
    assert list(problems(thing(size=1), {})) == ["Thing one: nobody defines Thing in example.org/v1"]


@pytest.mark.parametrize(
    ("change", "word"), [({}, None), ({"typ": "ClusterIP"}, "typ"), ({"ports": [{"port": "x"}]}, "integer")]
)
def test_kubernetes_own_kinds_are_held_against_its_own_schemas(
    change: dict[str, Any], word: str | None
) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "one"},
        "spec": {"ports": [{"port": 80}], **change},
    }
    found = list(problems(service, {}))
    assert (found == []) if word is None else (len(found) == 1 and word in found[0])


def test_a_version_that_kubernetes_does_not_have_is_wrong() -> None:
    (problem,) = problems({"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "one"}}, {})
    assert "CronJob" in problem
