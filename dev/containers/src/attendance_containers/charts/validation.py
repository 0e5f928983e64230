"""Holds rendered objects against the schemas of their kinds: Kubernetes' own, or their operator's.

Strict: a field that the schema does not know is wrong, and so is a kind that nobody defines.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate
from jsonschema import Draft7Validator, FormatChecker

from attendance_containers.charts.definitions import Kind
from attendance_containers.go_programs import KUBERNETES

# Kubernetes' own versions have no dot in their group, or one of these.
OWN_GROUPS = (".k8s.io", "apps", "batch", "autoscaling", "policy")


def problems(thing: Mapping[str, Any], known: Mapping[Kind, dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with one object, one sentence each."""
    version, kind = thing["apiVersion"], thing["kind"]
    name = f"{kind} {thing['metadata']['name']}"
    if _is_own(version):
        yield from (f"{name}: {problem}" for problem in _of_kubernetes(thing))
    elif (schema := known.get((version, kind))) is None:
        yield f"{name}: nobody defines {kind} in {version}"
    else:
        for error in Draft7Validator(strict(schema), format_checker=FormatChecker()).iter_errors(thing):
            yield f"{name}: {error.json_path}: {error.message[:300]}"


def _is_own(version: str) -> bool:
    group, _, rest = version.partition("/")
    return not rest or group in OWN_GROUPS or group.endswith(OWN_GROUPS[0])


def _of_kubernetes(thing: Mapping[str, Any]) -> Iterator[str]:
    minor = KUBERNETES.rpartition(".")[0]
    try:
        kubernetes_validate.validate(thing, minor, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield str(error)[:300]
    except kubernetes_validate.SchemaNotFoundError as error:
        yield str(error)


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a definition's schema as JSON Schema that refuses what it does not name.

    Kubernetes would drop such fields without a word. Its metadata is any object's, and checked elsewhere.
    """
    root = _strict(schema)
    for name in ("apiVersion", "kind", "metadata"):
        root.setdefault("properties", {})[name] = {}
    return root


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in schema.items() if not name.startswith("x-")}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        return {**made, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    if "items" in made:
        made["items"] = _strict(made["items"])
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _strict(made["additionalProperties"])
    if "properties" in made:
        made["properties"] = {name: _strict(each) for name, each in made["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made
