"""Query strings say only what a route knows, and each thing once: a misspelt parameter is no wider answer.

A framework passes over what it does not know, and of a parameter given twice it takes the last. Here both are
problems that name the parameter. An app takes it as a dependency of all its routes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service_kit.http.problems import invalid_request


def only_known_parameters(request: Request) -> None:
    """Raise Problem 422 for parameters that the route of a request does not know, and repeated ones."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = set(_parameters(route.dependant))
    given = Counter(name for name, _ in request.query_params.multi_items())
    errors = [
        {
            "loc": (name,),
            "type": "parameter",
            "msg": "is given more than once" if name in known else "is no parameter of this route",
        }
        for name, count in given.items()
        if name not in known or count > 1
    ]
    if errors:
        raise invalid_request(errors, "query")


def _parameters(dependant: Dependant) -> Iterator[str]:
    """Yield the names of the parameters of a route, also those that a model gathers."""
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (field.alias or name for name, field in kind.model_fields.items())
        else:
            yield parameter.alias
    for each in dependant.dependencies:
        yield from _parameters(each)
