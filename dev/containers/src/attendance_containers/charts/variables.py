"""Holds variables of rendered containers against the settings of the services: unknown ones end a service."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from service_kit.environment import EnvironmentSettings, group_of

# Whose settings an identity's container reads.
SETTINGS = {
    "ingest": "ingest.settings",
    "query-api": "query_api.settings",
    "recognition-worker": "recognition_worker.settings",
    "attendance-projector": "attendance_projector.settings",
    "attendance-feed": "attendance_projector.settings",
}
OF_EVERY_SERVICE = "SECRETS_DIR"


def unknown_variables(things: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each variable that no setting of its service reads, one sentence each."""
    for thing in things:
        name = thing["metadata"]["name"]
        if thing["kind"] == "Deployment" and name in SETTINGS:
            known = {OF_EVERY_SERVICE, *_variables(import_module(SETTINGS[name]).Settings)}
            for container in thing["spec"]["template"]["spec"]["containers"]:
                yield from (
                    f"{name}: {variable['name']} is no setting"
                    for variable in container["env"]
                    if variable["name"] not in known
                )


def _variables(settings: type[EnvironmentSettings]) -> Iterator[str]:
    for field, info in settings.model_fields.items():
        group = group_of(info.annotation)
        if group is None:
            yield settings.variable(field)
        else:
            yield from _variables(group)
