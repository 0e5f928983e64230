"""What the API description says about bodies that are read by hand, with a limit that holds meanwhile."""

from typing import Any

from pydantic import BaseModel

from service_kit.http.problems import described

PROBLEMS: dict[int | str, dict[str, Any]] = (
    described(400, "The body cannot be read; do not retry")
    | described(401, "`token-needed` or `invalid-token`")
    | described(403, "Not allowed; for a device: unknown or revoked")
    | described(404, "What the request refers to is not recorded")
    | described(408, "It came in too slowly; send it again")
    | described(
        409, "`id-in-use` for other content; `sequence-in-use`: a new number is needed; `badge-in-use`"
    )
    | described(413, "Too large; do not retry")
    | described(415, "Unsupported type; do not retry")
    | described(422, "A field does not fit; do not retry")
    | described(503, "A dependency is away; retry after the seconds of Retry-After")
)
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
