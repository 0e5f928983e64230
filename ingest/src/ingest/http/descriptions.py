"""What the API description says about bodies that are read by hand, with a limit that holds meanwhile."""

from typing import Any

from pydantic import BaseModel

from service_kit.http.problems import MEDIA_TYPE

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:problem:damaged-image-header"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, and what to do next"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "line": {"type": "integer"},
                },
            },
        },
    },
}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _problem("The body cannot be read; do not retry"),
    401: _problem("No valid token"),
    403: _problem("Not allowed; for a device: unknown or revoked"),
    404: _problem("What the request refers to is not recorded"),
    409: _problem("The id is in use for other content"),
    413: _problem("Too large; do not retry"),
    415: _problem("Unsupported type; do not retry"),
    422: _problem("A field does not fit; do not retry"),
    503: _problem("A dependency is away; retry after the seconds of Retry-After"),
}
_FILES: dict[str, dict[str, Any]] = {
    "binary": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP"},
    "binaries": {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "minItems": 1,
        "maxItems": 10,
        "description": "JPEG, PNG or WebP",
    },
}
_CSV = "person_id,home_site_id,display_name,badge\np-1001,plant-1,Asha Rao,A-1001\n"
IMPORT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": _CSV},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


def multipart(metadata: type[BaseModel], example: dict[str, Any], *, files: dict[str, str]) -> dict[str, Any]:
    """Return the description of a form with a part `metadata` (JSON) and files ("binary" or "binaries")."""
    schema = _schema(metadata) | {"examples": [example]}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["metadata", *files],
                        "properties": {"metadata": schema}
                        | {name: _FILES[kind] for name, kind in files.items()},
                    },
                    "encoding": {"metadata": {"contentType": "application/json"}},
                }
            },
        }
    }


def json_body(document: type[BaseModel]) -> dict[str, Any]:
    """Return the description of a JSON body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(document)}}}}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a schema that stands alone: definitions are put where they are referred to."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    resolved: dict[str, Any] = _resolve(schema, definitions)
    return resolved


def _resolve(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolve(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _resolve(target | {name: value for name, value in node.items() if name != "$ref"}, definitions)
    return {name: _resolve(value, definitions) for name, value in node.items()}
